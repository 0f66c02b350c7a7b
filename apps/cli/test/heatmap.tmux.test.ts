/** `wmo heatmap --play` in a real terminal (tmux): keys, resize, and what is left behind by q, ctrl+c and SIGTERM. Needs no root. */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { afterEach, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { heatRecording } from "./heatRecording.ts"
import { hasTmux, Tmux } from "./tmux.ts"

const main = join(import.meta.dirname, "../src/main.ts")

if (!hasTmux) console.warn("SKIPPED: the heatmap in a real terminal: there is no tmux here")

/** Of the process that plays the file, by its command line. */
const pidOf = (playing: string): number =>
  Number(execFileSync("pgrep", ["-f", `^${process.execPath} .*heatmap --play ${playing}`], { encoding: "utf8" }).split("\n")[0])

describe.skipIf(!hasTmux)("wmo heatmap in tmux", () => {
  let tmux: Tmux
  let file: string
  beforeAll(async () => {
    file = await Effect.runPromise(heatRecording())
  })
  beforeEach(() => {
    tmux = new Tmux(100, 26, { TZ: "UTC" })
  })
  afterEach(() => tmux.close())

  const start = async (): Promise<void> => {
    tmux.type(`${process.execPath} ${main} heatmap --play ${file} --speed 100; echo "exit $?"`)
    await tmux.until((screen) => screen.includes("ended"), "all is played")
  }
  const isRestored = async (exit: number): Promise<void> => {
    await tmux.until((screen) => screen.includes(`exit ${exit}`), `it ended with ${exit}`)
    assert.isFalse(tmux.isOnAlternateScreen())
    assert.isTrue(tmux.isCursorShown())
    tmux.type("stty -a | grep -c ' icanon' | sed s/^/cooked=/")
    await tmux.until((screen) => screen.includes("cooked=1"), "keys come line by line again, and are echoed")
  }

  it("shows the picture in colour; keys and resizing change it; q leaves the terminal as it was", async () => {
    await start()
    const screen = tmux.screen()
    assert.match(screen, /^app \(pid 4711\) · 80\.0 MiB in 3 ranges/)
    assert.match(screen, /^560000000000 A│ +9{30}│ 100 % \[heap\]$/m)
    assert.match(screen, /╵12:00:00/)
    assert.include(tmux.screen({ styles: true }), "48;5;230m", "the hottest colour")
    tmux.keys("+")
    await tmux.until((text) => /^row 2\.00 MiB/m.test(text), "nearer")
    tmux.keys("-", "a")
    await tmux.until((text) => /^560000000000 A│ +A{30}│/m.test(text), "kinds")
    tmux.keys("Down", "Down")
    await tmux.until((text) => text.includes("560000800000-560000c00000"), "two rows down")
    tmux.keys("Left")
    await tmux.until((text) => text.includes("paused"), "back in time")
    tmux.keys("?")
    await tmux.until((text) => text.includes("It counts looks, not accesses"), "help")
    tmux.keys("Escape")
    tmux.resize(130, 36)
    await tmux.until((text) => /^row 2\.6\d MiB/m.test(text), "more rows")
    tmux.resize(60, 14)
    await tmux.until((text) => /^row 10\.0 MiB/m.test(text), "fewer rows")
    tmux.resize(100, 26)
    await tmux.until((text) => /^row 4\.00 MiB/m.test(text), "as before")
    tmux.keys("q")
    await isRestored(0)
  })

  it.each([
    ["ctrl+c", 130, (): void => tmux.keys("C-c")],
    ["SIGTERM", 130, (): void => void process.kill(pidOf(file), "SIGTERM")]
  ] as const)("%s leaves the terminal as it was", async (_, exit, end) => {
    await start()
    assert.isTrue(tmux.isOnAlternateScreen())
    end()
    await isRestored(exit)
  })
})
