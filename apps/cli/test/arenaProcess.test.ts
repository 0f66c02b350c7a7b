/** `wmo arena watch` and `advise` on a fake kernel: what is typed wrong, what cannot be, what is printed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { FakeTarget } from "../../../packages/arena/test/support/fakeTarget.ts"
import { SystemCalls } from "../../../packages/core/src/native/SystemCalls.ts"
import { fails, freshFile, wmoInTime } from "./harness.ts"

describe("what is typed wrong", () => {
  const wrong: ReadonlyArray<readonly [args: string, line: RegExp]> = [
    ["arena watch 0", /pid must be the number of a process, not 0/],
    ["arena watch 1 --every 10ms", /--every must be at least 100ms/],
    ["arena advise 1 --predictor tournamnet", /--predictor: there is no "tournamnet"; there are tournament, stride, /],
    ["arena advise 1 --set colds=5s", /--set: there is no colds; there are chunkBytes, /],
    ["arena advise 1 --set coldMs=soon", /--set coldMs: "soon" is not a value for it/],
    ["arena advise 1 --until yesterday", /--until: "yesterday" is neither a time, such as 2026-11-21T13:45, nor a span/],
    // Virtual time begins in 1970.
    ["arena advise 1 --until 1969-01-01", /--until: 1969-01-01 is over already/],
    ["arena advise 1 --until 2h --for 1h", /--for and --until exclude each other/],
    ["arena advise 1 --by magic", /"auto" \| "syscall" \| "sysfs"/],
    ["arena advise 1 --record /nonexistent/file", /--record: .*no such file/]
  ]
  for (const [args, line] of wrong) it.effect(args, () => fails(args.split(" "), 2, line))
})

describe("what cannot be", () => {
  it.effect("a process that is not there, a thread of the kernel, settings that make no sense: 1", () =>
    Effect.gen(function* () {
      yield* fails(["arena", "advise", "4711"], 1, /there is no process 4711/)
      yield* fails(["arena", "watch", "2"], 1, /kthreadd\) is a thread of the kernel/)
      yield* fails(["arena", "advise", "1", "--chunk", "3M"], 1, /chunkBytes/)
    })
  )

  it.effect("no DAMON, no swap: 3, and what to do", () =>
    Effect.gen(function* () {
      yield* fails(["arena", "watch", "1"], 3, /no DAMON in sysfs.*CONFIG_DAMON_SYSFS/, new FakeTarget({ damon: false }).kernel)
      yield* fails(["arena", "advise", "1"], 3, /there is no swap.*zram/, new FakeTarget({ swaps: () => [] }).kernel)
    })
  )
})

const inTime = (args: ReadonlyArray<string>, kernel: FakeTarget["kernel"]) =>
  wmoInTime(args, kernel).pipe(Effect.provideService(SystemCalls, () => Promise.resolve(kernel.processes.systemCalls)))

describe("what is printed", () => {
  const target = () => {
    const made = new FakeTarget()
    made.map(16)
    return made
  }

  it.effect("a dry run: decisions on stderr, the sum on stdout, all of it in the record; nothing is paged out", () =>
    Effect.gen(function* () {
      const { calls, kernel, process } = target()
      const file = freshFile()
      const args = ["arena", "advise", String(process.pid), "--dry-run", "--cold", "1s", "--until", "9s", "--record", file]
      const { code, stderr, stdout } = yield* inTime(args, kernel)
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /compression \[anon\]: \d+ chunks untouched for .* would be paged out/)
      assert.match(stdout, /^app \(\d+\), .*dry run\nmemory +RSS 16\.0 MiB → 16\.0 MiB/)
      assert.match(stdout, /\npredictor tournament: accuracy –/)
      const types = readFileSync(file, "utf8")
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { type: string }).type)
      assert.deepStrictEqual([...new Set(types)].toSorted(), ["decision", "status", "summary"])
      assert.deepStrictEqual(calls, [])
    })
  )

  it.effect("one look: ranges by name, and how right each predictor would have been", () =>
    Effect.gen(function* () {
      const { kernel, process } = target()
      const look = ["arena", "watch", String(process.pid), "--once", "--for", "10s"]
      const { code, stderr, stdout } = yield* inTime(look, kernel)
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^app \(\d+\): RSS 16\.0 MiB/)
      assert.match(stdout, /\[anon\] +cold +16\.0 MiB/)
      assert.match(stdout, /\nperiodic +– /)
      const json = yield* inTime([...look, "--json"], kernel)
      const report = JSON.parse(json.stdout) as { type: string; ranges: ReadonlyArray<{ place: string }> }
      assert.strictEqual(report.type, "report")
      assert.strictEqual(report.ranges[0]!.place, "cold")
    })
  )
})
