/**
 * `wmo top` in a real terminal (tmux), as a process of its own: keys, resize, and that the terminal is as it was whichever way it ends.
 * Shows a recording, so it needs no root and no cgroups. Skipped, and says so, where there is no tmux.
 */
import { Recorder } from "@wmo/recording"
import { Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, assert, describe, it } from "vitest"
import { hasTmux, Tmux } from "./tmux.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-tmux-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const mib = 2 ** 20
const startMs = Date.UTC(2026, 10, 21, 12, 0, 0)
const groups = 60

/** Sixty groups for two minutes. */
const record = (file: string): Promise<void> =>
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
    for (let second = 0; second < 120; second++) {
      yield* run.snapshot({
        atMs: startMs + second * 1000,
        samples: Array.from({ length: groups }, (_, i) => ({
          subject: { kind: "cgroup", name: i < 2 ? `slice-${i}` : `slice-${i % 2}/service-${i}` },
          metrics: ["memory_current_bytes"],
          values: [(1000 - i + second) * mib]
        }))
      })
    }
  }).pipe(Effect.provide(Recorder.layerFile(file)), Effect.runPromise)

const main = join(import.meta.dirname, "../src/main.ts")

describe.skipIf(!hasTmux)(`wmo top in tmux${hasTmux ? "" : " (skipped: there is no tmux here)"}`, () => {
  const open: Array<Tmux> = []
  afterEach(() => open.splice(0).forEach((tmux) => tmux.close()))

  /** A shell that shows something, has said how its terminal is set, and then runs the view. */
  const start = async (name: string, env: Readonly<Record<string, string>> = {}) => {
    const file = join(scratch, `${name}.wmo`)
    await record(file)
    const tmux = new Tmux(80, 24, { WMO_STATE_DIR: join(scratch, "state"), ...env })
    open.push(tmux)
    const settings = (when: string) => join(scratch, `${name}.${when}`)
    tmux.type(`stty -a > ${settings("before")}; clear; echo what was here before`)
    await tmux.until((screen) => /^what was here before$/m.test(screen), "the shell is there")
    const command = `${process.execPath} ${main} top --play ${file}`
    tmux.type(`${command}; echo ended with $?; stty -a > ${settings("after")}; echo settled`)
    await tmux.until((screen) => screen.includes("slice-0") && screen.includes("wmo top"), "the view is there")
    assert.isTrue(tmux.isOnAlternateScreen())
    assert.isFalse(tmux.isCursorShown())
    return {
      tmux,
      assertRestored: async (code: number) => {
        const screen = await tmux.until((screen) => /^settled$/m.test(screen), "it has ended")
        assert.match(screen, new RegExp(`^ended with ${code}$`, "m"))
        assert.match(screen, /^what was here before$/m)
        assert.notInclude(screen, "slice-0")
        assert.isFalse(tmux.isOnAlternateScreen(), "the main screen")
        assert.isTrue(tmux.isCursorShown(), "the cursor")
        // All but the size, which a test may have changed.
        const [before, after] = ["before", "after"].map((when) => readFileSync(settings(when), "utf8").replace(/rows \d+; columns \d+/, ""))
        assert.strictEqual(after, before)
        return screen
      }
    }
  }

  it("moves, filters, goes into a group, scrubs, follows a resize, and quits without a trace", { timeout: 60_000 }, async () => {
    const { assertRestored, tmux } = await start("keys")
    assert.lengthOf(tmux.screen().split("\n"), 24)
    tmux.keys("Right", "Right")
    await tmux.until((screen) => screen.includes("2.00 s of 1 m 59 s") && /service-4 +998M/.test(screen), "two seconds on")
    tmux.keys("G")
    await tmux.until((screen) => /^slice-1\/service-59: no policy/m.test(screen), "the last group")
    tmux.keys("/", "s", "e", "r", "v", "i", "c", "e", "-", "5", "7", "Enter")
    await tmux.until((screen) => screen.includes("filter: service-57") && screen.includes("2 of 60 groups"), "the filter")
    tmux.resize(130, 30)
    await tmux.until((screen) => screen.includes("POLICY") && screen.split("\n").length === 30, "the wider screen")
    tmux.keys("Down", "Enter")
    await tmux.until((screen) => screen.includes("page ages") && screen.includes("slice-1/service-57"), "one group")
    tmux.resize(60, 15)
    await tmux.until(
      (screen) => screen.split("\n").length <= 15 && screen.split("\n").every((line) => line.length <= 60),
      "the smaller screen"
    )
    tmux.resize(80, 24)
    tmux.keys("Escape")
    await tmux.until((screen) => screen.includes("GROUP"), "the tree again")
    tmux.keys("q")
    await assertRestored(0)
  })

  it("gives the terminal back on ctrl+c and on SIGTERM", { timeout: 60_000 }, async () => {
    const interrupted = await start("interrupted")
    interrupted.tmux.keys("C-c")
    await interrupted.assertRestored(130)

    const terminated = await start("terminated")
    const pid = terminated.tmux.childOf("main.ts")
    process.kill(pid, "SIGTERM")
    await terminated.assertRestored(130)
  })

  it("stops on ctrl+z, the terminal as it was, and is there again after fg", { timeout: 60_000 }, async () => {
    const file = join(scratch, "stopped.wmo")
    await record(file)
    const tmux = new Tmux(80, 24, { WMO_STATE_DIR: join(scratch, "state") })
    open.push(tmux)
    tmux.type(`${process.execPath} ${main} top --play ${file}`)
    const isThere = (screen: string) => screen.includes("slice-0") && screen.includes("wmo top")
    await tmux.until(isThere, "the view is there")
    tmux.keys("C-z")
    await tmux.until((screen) => /Stopped|Suspended/.test(screen), "the job is stopped")
    assert.isFalse(tmux.isOnAlternateScreen())
    assert.isTrue(tmux.isCursorShown())
    tmux.type("fg")
    await tmux.until(isThere, "the view is there again")
    assert.isTrue(tmux.isOnAlternateScreen())
    tmux.keys("Right")
    await tmux.until((screen) => screen.includes("1.00 s of 1 m 59 s"), "it hears keys again")
    tmux.keys("q")
    await tmux.until((screen) => !screen.includes("slice-0"), "it has ended")
    assert.isFalse(tmux.isOnAlternateScreen())
  })

  it("gives the terminal back when it crashes, and the error can be read", { timeout: 60_000 }, async () => {
    const crash = join(scratch, "crash.mjs")
    writeFileSync(crash, `process.once("SIGUSR2", () => { throw new Error("a bug of ours") })`)
    const { assertRestored, tmux } = await start("crashed", { NODE_OPTIONS: `--import=${crash}` })
    process.kill(tmux.childOf("main.ts"), "SIGUSR2")
    const screen = await assertRestored(1)
    assert.include(screen, "a bug of ours")
  })

  it("has colour, and none with NO_COLOR", { timeout: 60_000 }, async () => {
    const colored = await start("colored")
    assert.match(colored.tmux.screen({ styles: true }), /\u001b\[(?:\d+;)*3[0-7]m/)
    const plain = await start("plain", { NO_COLOR: "1" })
    assert.notMatch(plain.tmux.screen({ styles: true }), /\u001b\[(?:\d+;)*3[0-7]m/)
    assert.match(plain.tmux.screen({ styles: true }), /\u001b\[(?:\d+;)*7m/)
  })
})
