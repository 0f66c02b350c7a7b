/** `wmo replay`: a recording's own policy decides again as it did; another one is told apart; what cannot be replayed is one line. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { freshFile, scratch, wmo } from "./harness.ts"

/** The demo's recording: runs 1 none, 2 periodic, 3 senpai; 10 s of warm-up. Made once. */
let demo: string | undefined
const demoFile = Effect.gen(function* () {
  if (demo !== undefined) return demo
  const file = freshFile()
  const { code, stderr } = yield* wmo(["demo", "--duration", "60s", "--record", file])
  assert.strictEqual(code, 0, stderr)
  return (demo = file)
})

const replayed = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* wmo(["replay", yield* demoFile, "--warmup", "10s", "--json", ...args])
  assert.strictEqual(code, 0, stderr)
  return JSON.parse(stdout)
})

describe("wmo replay", () => {
  it.live("decides again what was decided, where policy and settings are the run's own", () =>
    Effect.gen(function* () {
      for (const run of ["1", "2", "3"]) {
        const { open_loop: isOpenLoop, steps, totals } = yield* replayed("--run", run)
        assert.isTrue(isOpenLoop)
        assert.strictEqual(totals.samples, 60)
        assert.strictEqual(totals.samples_agreeing, 60, `run ${run}`)
        assert.deepStrictEqual(totals.would, totals.recorded)
        for (const step of steps.slice(10)) assert.strictEqual(step.reason, step.recorded.reason)
      }
      const periodic = yield* replayed("--run", "2")
      assert.isAbove(periodic.totals.would.reclaims, 1)
      assert.strictEqual(periodic.settings.cold_age, "10s")
    })
  )

  it.live("is the same each time, and tells another policy apart from what was done", () =>
    Effect.gen(function* () {
      const first = yield* replayed("--run", "1", "--policy", "senpai", "--set", "interval=2s")
      assert.deepStrictEqual(yield* replayed("--run", "1", "--policy", "senpai", "--set", "interval=2s"), first)
      assert.strictEqual(first.run_policy, "none")
      assert.strictEqual(first.policy, "senpai")
      assert.isAbove(first.totals.would.limits_set, 10)
      assert.strictEqual(first.totals.recorded.limits_set, 0)
      // It finds its own limit there: it steers, rather than to start over each time.
      assert.strictEqual(first.steps.filter(({ reason }: { reason: string | null }) => reason?.includes("start over")).length, 0)
    })
  )

  it.live("prints a line a sample, what was done then, and totals, marked as open loop", () =>
    Effect.gen(function* () {
      const { stdout } = yield* wmo(["replay", yield* demoFile, "--run", "2", "--warmup", "10s"])
      assert.include(stdout, "open loop: what it decides changes nothing about what it sees next")
      assert.match(
        stdout,
        /\n +20\.0 s +\d+ MiB {2}reclaim 128 MiB, age the generations {2}\(.*\) \| then: reclaim 128 MiB, age the generations\n/
      )
      assert.match(stdout, /The same was asked for at 60 of 60 samples\.\n$/)
      const { stdout: acts } = yield* wmo(["replay", yield* demoFile, "--run", "2", "--warmup", "10s", "--acts-only"])
      assert.isBelow(acts.split("\n").length, stdout.split("\n").length - 30)
    })
  )

  it.live("works on what the original WMO measured, and says what those files do not hold", () =>
    Effect.gen(function* () {
      const csv = join(scratch, "periodic_10s.csv")
      const head =
        "memory.stat.anon,memory.stat.file,memory.current,memory.swap.current,memory.workingset.node.0.30000ms.anon,memory.workingset.node.0.30000ms.file,memory.workingset.node.0.9223372036854775807ms.anon,memory.workingset.node.0.9223372036854775807ms.file,timestamp"
      const row = (second: number) =>
        `200000000,100000000,310000000,0,100000000,50000000,100000000,50000000,01-00-${String(second).padStart(2, "0")}-000000`
      writeFileSync(csv, `${[head, ...Array.from({ length: 40 }, (_, second) => row(second))].join("\n")}\n`)
      const file = freshFile()
      const imported = yield* wmo(["recording", "import", csv, "-o", file])
      assert.strictEqual(imported.code, 0, imported.stderr)
      const { code, stderr, stdout } = yield* wmo(["replay", file, "--policy", "periodic", "--set", "cold_age=20s"])
      assert.strictEqual(code, 0, stderr)
      assert.include(stdout, "The recording does not say how much swap was free: it is taken as unlimited.")
      assert.match(stdout, /\n +20\.0 s +296 MiB {2}reclaim 128 MiB/)
      const refused = yield* wmo(["replay", file, "--policy", "senpai"])
      assert.strictEqual(refused.code, 3)
      assert.strictEqual(
        refused.stderr,
        `wmo: policy senpai cannot be replayed on run 1 of ${file}: it holds no pressure, which it needs\n`
      )
    })
  )

  it.live("says in one line what is wrong", () =>
    Effect.gen(function* () {
      const file = yield* demoFile
      const lines: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, line: RegExp]> = [
        [[file, "-p", "senpei"], 2, /^wmo: there is no policy "senpei"; did you mean senpai\?\n$/],
        [[file, "-p", "senpai", "--set", "intervall=2s"], 2, /^wmo: policy senpai has no setting "intervall"; did you mean interval\?\n$/],
        [[file, "--run", "9"], 2, /^wmo: .* has no run 9; it has 1, 2, 3, 4\n$/],
        [[file, "--group", "nosuch"], 2, /^wmo: run 4 has no cgroup nosuch; it has wmo\/demo\n$/],
        [["nosuch.wmo"], 1, /^wmo: cannot open recording nosuch\.wmo: there is no such file\n$/]
      ]
      for (const [args, code, line] of lines) {
        const ended = yield* wmo(["replay", ...args])
        assert.match(ended.stderr, line)
        assert.strictEqual(ended.code, code)
      }
    })
  )
})
