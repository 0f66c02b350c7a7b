/** `wmo top` on the fake kernel and from recordings: what it prints, and what its keys do in a terminal that is not there. */
import { assert, describe, it } from "@effect/vitest"
import type { FakeKernel } from "@wmo/core/testing"
import { Recorder } from "@wmo/recording"
import type { TopFrame, TopGroup } from "@wmo/report"
import { Effect, Fiber } from "effect"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Terminal } from "../src/tui/Terminal.ts"
import { policyOf, recordingOf } from "../src/tui/top/holders.ts"
import { onTopKey, shownRows, startState, type TopState, withFrame } from "../src/tui/top/state.ts"
import { topView } from "../src/tui/top/view.ts"
import { plainLine } from "@wmo/report"
import { cgroupRoot, freshFile, kernelWithApp, mib, stateDirectory, wmo, wmoInTime, write } from "./harness.ts"
import { FakeTerminal } from "./tuiTerminal.ts"

const startMs = Date.UTC(2026, 10, 21, 12, 0, 0)
const metrics = ["memory_current_bytes", "memory_stat_anon_bytes", "memory_stat_workingset_refault_anon", "memory_pressure_some_us"]

/** Two groups for `seconds`; `web` grows by a MiB a second and refaults 10 pages a second. */
const recordTree = (file: string, seconds: number) =>
  Effect.gen(function* () {
    const recorder = yield* Recorder
    const run = yield* recorder.start({
      label: "tree",
      group: "",
      policy: "none",
      settings: {},
      kernel: "6.12",
      clock: "real",
      everyMs: 1000,
      dryRun: false,
      startedMs: startMs
    })
    for (let second = 0; second < seconds; second++) {
      const sample = (name: string, values: ReadonlyArray<number>) => ({ subject: { kind: "cgroup", name }, metrics, values })
      yield* run.snapshot({
        atMs: startMs + second * 1000,
        samples: [
          sample("app", [300 * mib, 200 * mib, 0, 0]),
          sample("app/web", [(100 + second) * mib, 50 * mib, second * 10, second * 5000]),
          ...(second >= 60 ? [sample("late", [7 * mib, 7 * mib, 0, 0])] : [])
        ],
        decisions: [{ subject: { kind: "cgroup", name: "app/web" }, reason: `reason ${Math.floor(second / 10)}`, outcomes: [] }]
      })
    }
    yield* run.end({ endedMs: startMs + seconds * 1000, missedTicks: 0 })
  }).pipe(Effect.provide(Recorder.layerFile(file)))

const treeFile = (seconds = 100) =>
  Effect.gen(function* () {
    const file = freshFile()
    yield* recordTree(file, seconds)
    return file
  })

/** Runs `wmo` in a terminal. */
const inTerminal = Effect.fnUntraced(function* (terminal: FakeTerminal, ...args: ReadonlyArray<string>) {
  return yield* Effect.forkChild(wmo(args).pipe(Effect.provideService(Terminal, terminal.shape())))
})

const sees = (terminal: FakeTerminal, text: string | RegExp) =>
  Effect.promise(() => terminal.until((screen) => (typeof text === "string" ? screen.includes(text) : text.test(screen)), String(text)))

describe("wmo top --once", () => {
  it.effect("prints the groups as their files are, and how old their pages are", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* wmoInTime(["top", "--json", "--cgroup", "app", "--cold-age", "30s"])
      assert.strictEqual(code, 0, stderr)
      const { groups, rates_over_seconds: seconds } = JSON.parse(stdout)
      assert.strictEqual(seconds, 2)
      assert.lengthOf(groups, 1)
      assert.strictEqual(groups[0].group, "app")
      assert.strictEqual(groups[0].memory_current_bytes, 100 * mib)
      assert.strictEqual(groups[0].age_source, "mglru")
      assert.closeTo(groups[0].cold_share, 0.64, 1e-9)
      assert.strictEqual(groups[0].psi_some_pct, 0)
      assert.isNull(groups[0].policy)
    })
  )

  it.effect("prints the tree, down to the depth that was asked for", () =>
    Effect.gen(function* () {
      const kernel: FakeKernel = kernelWithApp()
      write(kernel, `${cgroupRoot}/app/cgroup.subtree_control`, "+memory")
      kernel.fs.mkdirSync(`${cgroupRoot}/app/web`)
      const whole = yield* wmoInTime(["top", "--once"], kernel)
      assert.match(whole.stdout, /^GROUP +MEM +ANON/)
      assert.match(whole.stdout, /\n {6}web +/)
      kernel.fs.mkdirSync(`${cgroupRoot}/app/a\\x2db`)
      const odd = yield* wmoInTime(["top", "--json", "--cgroup", "app/a\\x2db"], kernel)
      assert.deepStrictEqual(
        JSON.parse(odd.stdout).groups.map(({ group }: { group: string }) => group),
        ["app/a\\x2db"]
      )
      const cut = yield* wmoInTime(["top", "--once", "--depth", "1"], kernel)
      assert.match(cut.stdout, /app/)
      assert.notMatch(cut.stdout, /web/)
    })
  )

  it.effect("says which policy has claimed a group, as long as that process lives", () =>
    Effect.gen(function* () {
      const kernel = kernelWithApp()
      const pid = 4_190_001
      const header = { version: 1, pid, startTime: "77", bootId: "00000000-0000-4000-8000-000000000000", command: "agent app -p senpai" }
      const claim = { kind: "claim", path: `${cgroupRoot}/app` }
      mkdirSync(stateDirectory, { recursive: true })
      const journal = join(stateDirectory, `journal-${pid}-77.jsonl`)
      const tell = () => writeFileSync(journal, `${JSON.stringify(header)}\n${JSON.stringify(claim)}\n`)
      const groups = Effect.map(wmoInTime(["top", "--json", "--cgroup", "app"], kernel), ({ stdout }) => JSON.parse(stdout).groups)
      tell()
      assert.isNull((yield* groups)[0].policy)
      tell()
      kernel.fs.file(`/proc/${pid}/stat`, `${pid} (wmo) S ${"0 ".repeat(18)}77 0 0\n`, 0o444)
      const [row] = yield* groups
      assert.deepStrictEqual([row.policy, row.policy_pid, row.reason], ["senpai", pid, null])
      rmSync(journal)
    })
  )

  it.effect("says in one line what is wrong", () =>
    Effect.gen(function* () {
      const lines = [
        [["top", "--once", "--cgroup", "nosuch"], 1, "wmo: there is no cgroup nosuch: `ls /sys/fs/cgroup` shows those that exist"],
        [["top", "--every", "1ms", "--once"], 2, "wmo: --every must be at least 100ms"],
        [["top", "--depth", "-1", "--once"], 2, "wmo: --depth must be 0 or more"],
        [["top", "--run", "2"], 2, "wmo: --run and --at are for --play FILE"],
        [["top", "--play", "nosuch.wmo"], 1, "wmo: cannot open recording nosuch.wmo: there is no such file"]
      ] as const
      for (const [args, code, line] of lines) {
        const ended = yield* wmoInTime(args)
        assert.strictEqual(ended.code, code, args.join(" "))
        assert.strictEqual(ended.stderr.trim(), line)
      }
      const file = yield* treeFile(3)
      assert.match((yield* wmo(["top", "--play", file, "--cgroup", "nosuch", "--once"])).stderr, /has no cgroup nosuch/)
      assert.match((yield* wmo(["top", "--play", file, "--run", "7", "--once"])).stderr, /has no run 7; it has 1/)
      assert.match((yield* wmo(["top", "--play", file, "--at", "1h", "--once"])).stderr, /--at is after the end of run 1/)
    })
  )

  it.live("without a terminal says to use --once", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal()
      const shape = terminal.shape()
      Object.assign(shape.stdout, { isTTY: false })
      const { code, stderr } = yield* wmo(["top"]).pipe(Effect.provideService(Terminal, shape))
      assert.strictEqual(code, 3)
      assert.strictEqual(stderr, "wmo: this is not a terminal: `wmo top --once` prints one table, `--json` one for scripts\n")
    })
  )

  it.effect("shows a moment of a recording, with the rates since the sample before", () =>
    Effect.gen(function* () {
      const file = yield* treeFile()
      const { stdout } = yield* wmo(["top", "--play", file, "--at", "30s", "--json"])
      const { at_ms: atMs, groups } = JSON.parse(stdout)
      assert.strictEqual(atMs, startMs + 30_000)
      assert.deepStrictEqual(
        groups.map(({ group }: { group: string }) => group),
        ["app", "app/web"]
      )
      assert.strictEqual(groups[1].memory_current_bytes, 130 * mib)
      assert.strictEqual(groups[1].refaults_per_second, 10)
      assert.strictEqual(groups[1].psi_some_pct, 0.5)
      assert.strictEqual(groups[1].reason, "reason 3")
    })
  )
})

describe("wmo top", () => {
  it.live("shows the groups live, sorts, goes into one and back, and gives the terminal back", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal()
      const fiber = yield* inTerminal(terminal, "top", "--every", "100ms")
      yield* sees(terminal, /wmo top .* every 100 ms {2}2 groups .*ages: mglru/)
      yield* sees(terminal, /app +100M/)
      terminal.press("n")
      yield* sees(terminal, "GROUP▾")
      terminal.press("end", "enter")
      yield* sees(terminal, "page ages (mglru")
      yield* sees(terminal, "no policy works on this group")
      terminal.press("esc", "space")
      yield* sees(terminal, "PAUSED")
      terminal.press("?")
      yield* sees(terminal, "What the columns mean")
      terminal.resize(120, 40)
      yield* sees(terminal, "which wmo works on the group")
      terminal.press("q")
      const { code, stderr } = yield* Fiber.join(fiber)
      assert.strictEqual(code, 0, stderr)
      assert.isFalse(terminal.isRaw)
      assert.isFalse(terminal.isOnAlternateScreen)
    })
  )

  it.live("ends with an error when its root goes away, after the terminal is back", () =>
    Effect.gen(function* () {
      const kernel = kernelWithApp()
      const terminal = new FakeTerminal()
      const fiber = yield* Effect.forkChild(
        wmo(["top", "--cgroup", "app", "--every", "100ms"], kernel).pipe(Effect.provideService(Terminal, terminal.shape()))
      )
      yield* sees(terminal, /app +100M/)
      kernel.fs.rmdirSync(`${cgroupRoot}/app`)
      const { code, stderr } = yield* Fiber.join(fiber)
      assert.strictEqual(code, 1)
      assert.match(stderr, /^wmo: .*app.*\n$/)
      assert.isFalse(terminal.isOnAlternateScreen)
    })
  )

  it.live("scrubs through a recording: samples, minutes, ends, playing; groups appear when they did", () =>
    Effect.gen(function* () {
      const file = yield* treeFile(200)
      const terminal = new FakeTerminal()
      const fiber = yield* inTerminal(terminal, "top", "--play", file)
      yield* sees(terminal, /0 s of 3 m 19 s/)
      yield* sees(terminal, /web +100M/)
      terminal.press("right", "right", "right")
      yield* sees(terminal, /web +103M/)
      yield* sees(terminal, "3.00 s of 3 m 19 s")
      terminal.press("left")
      yield* sees(terminal, /web +102M/)
      assert.notInclude(terminal.screen(), "late")
      terminal.press(".")
      yield* sees(terminal, /web +162M/)
      yield* sees(terminal, /late +7.00M/)
      terminal.press(",")
      yield* sees(terminal, /web +102M/)
      assert.notInclude(terminal.screen(), "late")
      terminal.press("$")
      yield* sees(terminal, /web +299M/)
      terminal.press("j")
      yield* sees(terminal, "app/web: none: reason 19")
      // From the end, playing begins anew.
      terminal.press("space")
      yield* sees(terminal, /web +10[0-9]M/)
      terminal.press("q")
      assert.strictEqual((yield* Fiber.join(fiber)).code, 0)
    })
  )

  it.live("ends with 130 on ctrl+c, without a word", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal()
      const fiber = yield* inTerminal(terminal, "top", "--play", yield* treeFile(3))
      yield* sees(terminal, "tree")
      terminal.press("ctrl+c")
      const { code, stderr } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([code, stderr], [130, ""])
    })
  )
})

const group = (name: string, currentBytes: number): TopGroup => ({
  group: name,
  currentBytes,
  anonBytes: undefined,
  fileBytes: undefined,
  swapBytes: undefined,
  zswapBytes: undefined,
  zswappedBytes: undefined,
  refaults: undefined,
  promotions: undefined,
  psiSomeUs: undefined
})

const size = { columns: 80, rows: 24 }
/** A thousand groups in slices of ten. */
const thousand = (atMs: number): TopFrame => ({
  atMs,
  groups: Array.from({ length: 1000 }, (_, i) => group(i % 10 === 0 ? `s${i / 10}` : `s${Math.floor(i / 10)}/g${i}`, (1000 - i) * mib)),
  ages: new Map(),
  decisions: new Map()
})
const pressed = (state: TopState, ...keys: ReadonlyArray<string>): TopState => keys.reduce((now, key) => onTopKey(now, key, size), state)
const screen = (state: TopState) => topView(state, size).map(plainLine)

describe("keys", () => {
  const start = withFrame(startState({ root: "", depth: Infinity, sort: "current", coldMs: 60_000, everyMs: 2000 }), thousand(1000))

  it("move through a thousand groups of which the screen has nineteen; what is drawn is what fits", () => {
    assert.lengthOf(shownRows(start), 1000)
    assert.lengthOf(screen(start), 24)
    const end = pressed(start, "G")
    assert.strictEqual(end.selected, "s99/g999")
    assert.include(screen(end).at(-3), "g999")
    assert.strictEqual(pressed(end, "pageup").selected, "s98")
    assert.strictEqual(pressed(end, "g").selected, "s0")
    assert.strictEqual(pressed(start, "down", "down", "up").selected, "s0/g1")
  })

  it("fold and unfold, one and all", () => {
    const folded = pressed(start, "g", "-")
    assert.lengthOf(shownRows(folded), 991)
    assert.lengthOf(shownRows(pressed(folded, "+")), 1000)
    assert.strictEqual(pressed(start, "down", "left").selected, "s0")
    const leaf = pressed(start, "down", "down", "down", "h")
    assert.strictEqual(leaf.selected, "s0")
    const shallow = withFrame(startState({ root: "", depth: 0, sort: "current", coldMs: 60_000, everyMs: 2000 }), thousand(1000))
    assert.lengthOf(shownRows(shallow), 100)
    assert.lengthOf(shownRows(pressed(shallow, "g", "+")), 1000)
  })

  it("filter while typing; escape clears, enter keeps, letters are letters", () => {
    const typing = pressed(start, "/", "g", "9", "9", "q")
    assert.isTrue(typing.isTyping)
    assert.isFalse(typing.isDone)
    assert.lengthOf(shownRows(typing), 0)
    const found = pressed(typing, "backspace", "enter")
    // g99, g990 to g999, and the slices that they are in.
    assert.deepStrictEqual(shownRows(found).filter(({ isMatch }) => isMatch).length, 10)
    assert.include(screen(found)[1], "filter: g99")
    assert.lengthOf(shownRows(pressed(found, "esc")), 1000)
  })

  it("keep the selection on its group when the order changes or it goes away", () => {
    const selected = pressed(start, "down", "down")
    const resorted = withFrame(selected, { ...thousand(3000), groups: thousand(3000).groups.map((one, i) => group(one.group, i * mib)) })
    assert.strictEqual(resorted.selected, "s0/g2")
    assert.isTrue(screen(resorted).some((line) => /^ +g2 /.test(line)))
    const gone = withFrame(selected, { ...thousand(3000), groups: thousand(3000).groups.filter(({ group }) => group !== "s0/g2") })
    assert.doesNotThrow(() => screen(gone))
    assert.strictEqual(pressed(gone, "down").selected, "s0/g1")
  })

  it("sort by a column that the screen has no room for: it is named above", () => {
    const sorted = pressed(start, "s", "s", "s")
    assert.strictEqual(sorted.arrangement.sort, "swap")
    assert.include(screen(sorted)[0], "by swap")
    assert.include(screen(pressed(sorted, "r", "n"))[2], "GROUP▴")
  })

  it("change the cold age and the interval within their ladders", () => {
    assert.strictEqual(pressed(start, "t", "t").coldMs, 300_000)
    assert.strictEqual(pressed(start, "T", "T", "T", "T", "T", "T").coldMs, 5000)
    assert.strictEqual(pressed(start, "]").everyMs, 5000)
    assert.strictEqual(pressed(start, "[", "[", "[", "[").everyMs, 500)
  })

  it("draw on any screen, however small", () => {
    for (const rows of [1, 2, 3, 5, 8]) {
      for (const columns of [1, 10, 30]) {
        for (const state of [start, pressed(start, "enter"), pressed(start, "?"), pressed(start, "G")]) {
          assert.doesNotThrow(() => topView(state, { columns, rows }))
        }
      }
    }
  })
})

describe("who works on a group", () => {
  it("is told by the command line of the process that claimed it", () => {
    assert.strictEqual(policyOf("run --policy periodic --record x.wmo -- make --policy wrong"), "periodic")
    assert.strictEqual(policyOf("agent app -p senpai"), "senpai")
    assert.strictEqual(policyOf("agent app --policy=senpai"), "senpai")
    assert.strictEqual(policyOf("daemon"), "wmo daemon")
  })

  it.effect("and by the recording that it has open", () =>
    Effect.gen(function* () {
      const file = freshFile()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const recorder = yield* Recorder
          yield* recorder.start({
            label: "x",
            group: "",
            policy: "none",
            settings: {},
            kernel: "",
            clock: "real",
            everyMs: 1000,
            dryRun: false,
            startedMs: 0
          })
          assert.strictEqual(recordingOf(process.pid), file)
        }).pipe(Effect.provide(Recorder.layerFile(file)))
      )
      assert.isUndefined(recordingOf(process.pid))
      assert.isUndefined(recordingOf(4_190_000))
    })
  )
})
