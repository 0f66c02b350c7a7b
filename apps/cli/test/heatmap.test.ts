/** `wmo heatmap` on a fake kernel and on recordings: what it prints, writes and refuses, and its view in a terminal that is not there. */
import { assert, describe, it } from "@effect/vitest"
import type { DamonContext } from "@wmo/core"
import { FakeKernel } from "@wmo/core/testing"
import { Effect, Fiber } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { Terminal } from "../src/tui/Terminal.ts"
import { heap, heatRecording } from "./heatRecording.ts"
import { coldMemcg, fails, freshFile, journals, kernelWithApp, mib, passTime, wmo, wmoInTime, write } from "./harness.ts"
import { FakeTerminal } from "./tuiTerminal.ts"

/** DAMON sees the first quarter of each range used. */
const quarters = ({ intervals, targets }: DamonContext) =>
  targets.flatMap(({ regions }) =>
    regions.flatMap(({ end, start }) => {
      const quarter = start + (end - start) / 4n
      return [
        { start, end: quarter, nrAccesses: intervals.aggrUs / intervals.sampleUs, age: 0, szFilterPassed: 0 },
        { start: quarter, end, nrAccesses: 0, age: 0, szFilterPassed: 0 }
      ]
    })
  )

const withProcess = (options: ConstructorParameters<typeof FakeKernel>[0] = {}) => {
  const kernel: FakeKernel = kernelWithApp(coldMemcg(), {
    options: { damon: { regions: quarters, isProcess: (pid) => kernel.processes.processes.has(pid) }, ...options }
  })
  const process = kernel.processes.add({ comm: "app" })
  const mapping = process.map(16 * mib)
  process.touch(mapping.start, 16 * mib)
  kernel.cgroups.group("app").processes.add(process.pid)
  return { kernel, process, mapping }
}

const isFree = (kernel: FakeKernel): boolean => kernel.fs.text("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds").trim() === "0"

describe("wmo heatmap --once", () => {
  it.effect("prints a process's memory, its heat and what is mapped, and gives DAMON back", () =>
    Effect.gen(function* () {
      const { kernel, mapping, process } = withProcess()
      const { code, complaints, stdout } = yield* wmoInTime(
        ["heatmap", "--pid", String(process.pid), "--once", "--for", "3s", "--rows", "4"],
        kernel
      )
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(complaints, [])
      const [head, , ...rows] = stdout.split("\n")
      assert.strictEqual(
        head,
        `app (pid ${process.pid}) · 16.0 MiB in 1 range · DAMON vaddr, sample 5 ms, aggregation 100 ms, 100–1000 regions`
      )
      assert.match(rows[0]!, new RegExp(`^${mapping.start.toString(16)} A│ *9+│ 100 % \\[anon\\]$`))
      for (const row of rows.slice(1, 4)) assert.match(row, /A│ *·+│ {3}0 % \[anon\]$/)
      assert.isTrue(isFree(kernel))
      assert.deepStrictEqual(journals(), [])
    })
  )

  it.effect("--record keeps it; --play shows the same without root, DAMON or that process", () =>
    Effect.gen(function* () {
      const { kernel, process } = withProcess()
      const file = freshFile()
      const args = ["--json", "--rows", "8", "--column", "500ms"]
      const live = yield* wmoInTime(["heatmap", "--pid", String(process.pid), "--for", "3s", "--record", file, ...args], kernel)
      const played = yield* wmo(["heatmap", "--play", file, ...args], kernelWithApp(coldMemcg(), { options: { damon: false } }))
      assert.strictEqual(played.code, 0)
      assert.deepStrictEqual(JSON.parse(played.stdout).subjects, JSON.parse(live.stdout).subjects)
      const [subject] = JSON.parse(played.stdout).subjects
      assert.strictEqual(subject.total_bytes, 16 * mib)
      assert.deepStrictEqual(
        subject.rows.map(({ kind, mapping, mean, never_used }: Record<string, unknown>) => [kind, mapping, mean, never_used]),
        [1, 1, 0, 0, 0, 0, 0, 0].map((mean) => ["anon", "[anon]", mean, mean === 0])
      )
    })
  )

  it.effect("a group: each of its processes", () =>
    Effect.gen(function* () {
      const { kernel, process } = withProcess()
      const other = kernel.processes.add({ comm: "other" })
      other.touch(other.map(4 * mib).start, 4 * mib)
      kernel.cgroups.group("app").processes.add(other.pid)
      const { stdout } = yield* wmoInTime(["heatmap", "--cgroup", "app", "--for", "2s", "--json"], kernel)
      assert.deepStrictEqual(
        JSON.parse(stdout).subjects.map(({ title, total_bytes }: Record<string, unknown>) => [title, total_bytes]),
        [
          [`app (pid ${process.pid})`, 16 * mib],
          [`other (pid ${other.pid})`, 4 * mib]
        ]
      )
    })
  )

  it.effect("a process that ends: what was seen of it until then", () =>
    Effect.gen(function* () {
      const { kernel, process } = withProcess()
      const fiber = yield* Effect.forkChild(wmo(["heatmap", "--pid", String(process.pid), "--once", "--for", "1h"], kernel))
      let looks = 0
      yield* passTime(() => kernel.damon!.running(0) !== undefined && ++looks > 10)
      kernel.processes.end(process)
      yield* passTime(() => fiber.pollUnsafe() !== undefined)
      const { code, stdout } = yield* Fiber.join(fiber)
      assert.strictEqual(code, 0)
      assert.include(stdout, "16.0 MiB in 1 range")
      assert.isTrue(isFree(kernel))
    })
  )

  it.effect("without DAMON: ages of the process's whole group, and says so", () =>
    Effect.gen(function* () {
      const { kernel, process } = withProcess({ damon: false })
      const { code, complaints, stdout } = yield* wmoInTime(["heatmap", "--pid", String(process.pid), "--once", "--for", "5s"], kernel)
      assert.strictEqual(code, 0)
      assert.match(
        complaints[0]!,
        /no DAMON in sysfs .*: ages of the whole cgroup app, by MGLRU: how long memory has been idle, not which$/
      )
      assert.match(stdout, /^cgroup app · MGLRU generations of cgroup app, a new one every 5 s\n/)
      assert.match(stdout, /^ *≥ 30\.0 s A│ *6+│ {2}64 % 64\.0 MiB now$/m)
      const refused = yield* wmo(["heatmap", "--pid", String(process.pid), "--once", "--source", "damon"], kernel)
      assert.strictEqual(refused.code, 3)
    })
  )

  it.effect("a recording: all of it, or some of its time", () =>
    Effect.gen(function* () {
      const file = yield* heatRecording()
      const whole = yield* wmo(["heatmap", "--play", file, "--once", "--rows", "10", "--width", "100"])
      assert.match(whole.stdout, /^app \(pid 4711\) · 80\.0 MiB in 3 ranges · DAMON vaddr, sample 5 ms\n/)
      assert.match(whole.stdout, /^560000000000 A│ *9{50}│ 100 % \[heap\]$/m)
      assert.match(whole.stdout, /^7f0006400000 F╪ *·+│ {3}0 % \/usr\/lib\/libc\.so\.6$/m)
      const part = yield* wmo(["heatmap", "--play", file, "--json", "--from", "10s", "--to", "14900ms", "--column", "1s"])
      assert.lengthOf(JSON.parse(part.stdout).subjects[0].columns_at_ms, 5)
      assert.strictEqual(JSON.parse(part.stdout).subjects[0].rows[0].mapping, "[heap]")
    })
  )

  it.effect("--svg writes a picture, and nothing over another", () =>
    Effect.gen(function* () {
      const file = yield* heatRecording()
      const svg = `${freshFile()}.svg`
      const { code, stdout } = yield* wmo(["heatmap", "--play", file, "--svg", svg])
      assert.deepStrictEqual([code, stdout], [0, ""])
      const picture = readFileSync(svg, "utf8")
      assert.match(picture, /^<svg [^>]+>\n[^]*<\/svg>\n$/)
      assert.include(picture, "/usr/lib/libc.so.6")
      yield* fails(["heatmap", "--play", file, "--svg", svg], 2, /is there already; nothing is overwritten/)
      assert.strictEqual(readFileSync(svg, "utf8"), picture)
    })
  )
})

describe("wmo heatmap refuses, in one line", () => {
  it.effect.each([
    [[], 2, /say what to look at: --pid N, --cgroup GROUP, --paddr, or --play FILE$/],
    [["--pid", "1", "--paddr"], 2, /--pid and --paddr exclude each other/],
    [["--pid", "1", "--from", "3s"], 2, /--from and --to are for --play/],
    [["--pid", "1", "--sample", "20ms", "--aggregation", "10ms"], 2, /--aggregation must be at least --sample/],
    [["--pid", "1", "--min-regions", "2"], 2, /at least 3/],
    [["--pid", "1", "--max-regions", "50"], 2, /--max-regions must be at least --min-regions/],
    [["--pid", "1", "--once", "--only", "7f10-7f00"], 2, /neither addresses, such as 7f1200000000-7f1300000000/],
    [["--paddr", "--once", "--only", "libc"], 2, /physical memory has no names/],
    [["--pid", "1", "--once", "--column", "0s"], 2, /--column must be at least 10ms/],
    [["--pid", "1", "--once", "--average", "0"], 2, /--average must be from 1 to 1000/],
    [["--play", "/nowhere.wmo", "--once", "--for", "3s"], 2, /choose a part of a recording with --from and --to/],
    [["--pid", "4000000", "--once"], 1, /there is no process 4000000$/],
    [["--cgroup", "nope", "--once"], 1, /there is no cgroup nope/],
    [["--pid", "1"], 3, /this is not a terminal: use --once/],
    [["--play", "/nowhere.wmo", "--once"], 1, /there is no such file/],
    [["--play", "/nowhere.wmo", "--once", "--record", "/x.wmo"], 2, /--record is for what is live/],
    [["--pid", "1", "--speed", "0", "--once"], 2, /--speed must be more than 0/]
  ] as const)("%j", ([args, code, line]) => fails(["heatmap", ...args], code, line))

  it.effect("a recording without heat", () =>
    Effect.gen(function* () {
      const file = yield* heatRecording()
      yield* fails(["heatmap", "--play", file, "--once", "--from", "1h"], 2, /holds no heat in that time/)
    })
  )

  it.effect("a recording that is there already", () =>
    Effect.gen(function* () {
      const file = freshFile()
      writeFileSync(file, "mine")
      yield* fails(["heatmap", "--pid", "1", "--once", "--record", file], 2, /is there already/)
      assert.strictEqual(readFileSync(file, "utf8"), "mine")
    })
  )

  it.effect("DAMON that somebody uses, and says who", () =>
    Effect.gen(function* () {
      const { kernel, process } = withProcess()
      const admin = "/sys/kernel/mm/damon/admin/kdamonds"
      write(kernel, `${admin}/nr_kdamonds`, "1")
      yield* fails(
        ["heatmap", "--pid", String(process.pid), "--once"],
        1,
        /DAMON is in use by somebody: kdamond 0 \(off\); .*--take-over/,
        kernel
      )
      const taken = yield* wmoInTime(["heatmap", "--pid", String(process.pid), "--for", "1s", "--json", "--take-over"], kernel)
      assert.strictEqual(taken.code, 0)
      assert.strictEqual(kernel.fs.text(`${admin}/nr_kdamonds`).trim(), "1")
    })
  )
})

/** The view of a recording at high speed, driven by keys. */
const viewing = (args: ReadonlyArray<string>, terminal: FakeTerminal, kernel?: FakeKernel) =>
  Effect.forkChild(wmo(["heatmap", ...args], kernel).pipe(Effect.provideService(Terminal, terminal.shape())))

const seen = (terminal: FakeTerminal, what: RegExp) => Effect.promise(() => terminal.until((screen) => what.test(screen), String(what)))
const press = (terminal: FakeTerminal, ...keys: ReadonlyArray<string>) => Effect.sync(() => terminal.press(...keys))

describe("the view", () => {
  it.live("of a recording: zoom, scroll, pause, kinds, scale, mean, help, resize; q leaves the terminal as it was", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal(100, 26)
      const file = yield* heatRecording()
      const fiber = yield* viewing(["--play", file, "--speed", "1000"], terminal)
      yield* seen(terminal, /▶ file-\d+\.wmo ×1000 {2}ended/)
      yield* seen(terminal, /^app \(pid 4711\) · 80\.0 MiB in 3 ranges/)
      yield* seen(terminal, /^row 4\.00 MiB · column 1\.00 s → · cell: share of samples that found it used$/m)
      yield* seen(terminal, /^560000000000 A│ +9{30}│ 100 % \[heap\]$/m)

      yield* press(terminal, "+")
      yield* seen(terminal, /40\.0 MiB from 0 B on/)
      yield* seen(terminal, /^row 2\.00 MiB/m)
      yield* press(terminal, "pagedown", "pagedown")
      // The last page begins where the row looked at left the screen.
      yield* seen(terminal, /40\.0 MiB from (?:19\.\d|[2-4]\d\.\d) MiB on/)
      yield* press(terminal, "0")
      yield* seen(terminal, /^app \(pid 4711\) · 80\.0 MiB in 3 ranges · DAMON/)

      yield* press(terminal, "up", "up", "k", "j")
      yield* seen(terminal, /· never used · |· anonymous · |· file · /)
      yield* press(terminal, "left", "h")
      yield* seen(terminal, /ended {2}paused/)
      yield* seen(terminal, /^560000000000 A│ +9{28}│ 100 % \[heap\]$/m)
      yield* press(terminal, "space")
      yield* seen(terminal, /^560000000000 A│ +9{30}│ 100 % \[heap\]$/m)

      yield* press(terminal, "a")
      yield* seen(terminal, /^560000000000 A│ +A{30}│/m)
      yield* press(terminal, "a", "m", "m")
      yield* seen(terminal, /cell: share of samples that found it used, mean of 3 columns/)
      yield* press(terminal, "s")
      yield* seen(terminal, /0<0\.2 1≥0\.2/)
      yield* press(terminal, "?")
      yield* seen(terminal, /It counts looks, not accesses/)
      yield* press(terminal, "?")
      yield* press(terminal, "r")
      yield* seen(terminal, /this is a recording already/)

      terminal.resize(70, 12)
      yield* seen(terminal, /^row 13\.3 MiB/m)
      for (const line of terminal.lines()) assert.isAtMost([...line].length, 70)
      terminal.resize(20, 4)
      yield* seen(terminal, /^row 80\.0 MiB/m)

      yield* press(terminal, "q")
      assert.strictEqual((yield* Fiber.join(fiber)).code, 0)
      assert.isFalse(terminal.isRaw)
      assert.isFalse(terminal.isOnAlternateScreen)
    })
  )

  it.live("of a process: records with r what is seen meanwhile, ends with it, and gives DAMON back on ctrl+c", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal(100, 20)
      const { kernel, process } = withProcess()
      const file = freshFile()
      const fiber = yield* viewing(["--pid", String(process.pid), "--record", file], terminal, kernel)
      yield* seen(terminal, /● .*\.wmo/)
      yield* seen(terminal, /A│ +9+│ 100 % \[anon\]/)
      yield* press(terminal, "r")
      yield* seen(terminal, /recorded to /)
      assert.isTrue(existsSync(file))
      kernel.processes.end(process)
      yield* seen(terminal, /ended/)
      yield* press(terminal, "ctrl+c")
      assert.strictEqual((yield* Fiber.join(fiber)).code, 130)
      assert.isFalse(terminal.isOnAlternateScreen)
      assert.isTrue(isFree(kernel))
      const played = yield* wmo(["heatmap", "--play", file, "--json"])
      assert.strictEqual(JSON.parse(played.stdout).subjects[0].total_bytes, 16 * mib)
      assert.strictEqual(heap, 0x5600_0000_0000)
    })
  )
})
