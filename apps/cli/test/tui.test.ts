/** The base of all live views, in a terminal that is not there: keys, resize, feeding, colour, and what is left behind. */
import { assert, describe, it } from "@effect/vitest"
import { line, type Line } from "@wmo/report"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { runTui, type TuiOptions } from "../src/tui/runTui.ts"
import { Terminal } from "../src/tui/Terminal.ts"
import { FakeTerminal } from "./tuiTerminal.ts"

interface Counting {
  readonly keys: string
  readonly fed: number
  readonly isDone: boolean
}

const counting: TuiOptions<Counting, never, never> = {
  initial: { keys: "", fed: 0, isDone: false },
  onKey: (state, key) => (key === "q" ? { ...state, isDone: true } : { ...state, keys: `${state.keys}<${key}>` }),
  view: ({ fed, keys }, { columns, rows }): ReadonlyArray<Line> => [
    line(`${columns}x${rows}`),
    line(`keys ${keys}`, { color: "red", bold: true }),
    line(`fed ${fed}`)
  ],
  isDone: ({ isDone }) => isDone,
  feed: () => Effect.void,
  withoutTerminal: "use --once"
}

const started = <E>(options: TuiOptions<Counting, E, never>, terminal: FakeTerminal, isColored = false) =>
  Effect.forkChild(runTui(options).pipe(Effect.provideService(Terminal, terminal.shape(isColored))))

const seen = (terminal: FakeTerminal, text: string) => Effect.promise(() => terminal.until((screen) => screen.includes(text), text))

const assertRestored = (terminal: FakeTerminal) => {
  assert.isFalse(terminal.isRaw, "raw mode is off")
  assert.isFalse(terminal.isOnAlternateScreen, "the main screen is back")
  assert.isAbove(terminal.output.lastIndexOf("\x1b[?25h"), terminal.output.lastIndexOf("\x1b[?25l"), "the cursor is shown")
}

describe("runTui", () => {
  it.live("names keys, several of one burst too, and leaves the terminal as it was", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal(60, 10)
      const fiber = yield* started(counting, terminal)
      yield* seen(terminal, "60x10")
      assert.isTrue(terminal.isRaw)
      assert.isTrue(terminal.isOnAlternateScreen)
      terminal.press("ab", "up", "pagedown", "space", "esc")
      yield* seen(terminal, "keys <a><b><up><pagedown><space><esc>")
      terminal.press("q")
      assert.strictEqual(yield* Fiber.join(fiber), "done")
      assertRestored(terminal)
    })
  )

  it.live("follows the terminal's size", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal(60, 10)
      const fiber = yield* started(counting, terminal)
      yield* seen(terminal, "60x10")
      terminal.resize(100, 30)
      yield* seen(terminal, "100x30")
      terminal.resize(20, 5)
      yield* seen(terminal, "20x5")
      assert.strictEqual(terminal.lines().length, 5)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live("shows what is fed, and tells the feeder of changes", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal()
      const heard = yield* Deferred.make<string>()
      const fiber = yield* started(
        {
          ...counting,
          feed: (handle) =>
            Effect.gen(function* () {
              handle.update((state) => ({ ...state, fed: 7 }))
              yield* handle.states.pipe(
                Stream.filter(({ keys }) => keys !== ""),
                Stream.take(1),
                Stream.runForEach(({ keys }) => Deferred.succeed(heard, keys))
              )
            })
        },
        terminal
      )
      yield* seen(terminal, "fed 7")
      terminal.press("x")
      assert.strictEqual(yield* Deferred.await(heard), "<x>")
      yield* Fiber.interrupt(fiber)
      assertRestored(terminal)
    })
  )

  it.live("ends with ctrl+c", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal()
      const fiber = yield* started(counting, terminal)
      yield* seen(terminal, "80x24")
      terminal.press("ctrl+c")
      assert.strictEqual(yield* Fiber.join(fiber), "interrupted")
      assertRestored(terminal)
    })
  )

  it.live("gives the terminal back when feeding fails, and when drawing throws", () =>
    Effect.gen(function* () {
      const failing = new FakeTerminal()
      const failed = yield* started({ ...counting, feed: () => Effect.fail("gone" as const) }, failing)
      assert.deepStrictEqual<Exit.Exit<unknown, unknown>>(yield* Fiber.await(failed), Exit.fail("gone"))
      assertRestored(failing)

      const throwing = new FakeTerminal()
      const view: typeof counting.view = (state, size) => {
        if (state.keys !== "") throw new Error("cannot draw this")
        return counting.view(state, size)
      }
      const broken = yield* started({ ...counting, view }, throwing)
      yield* seen(throwing, "80x24")
      throwing.press("x")
      const exit = yield* Fiber.await(broken)
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "cannot draw this")
      assertRestored(throwing)
    })
  )

  it.live("colours only where colour is wanted; weight stays", () =>
    Effect.gen(function* () {
      for (const isColored of [true, false]) {
        const terminal = new FakeTerminal()
        const fiber = yield* started(counting, terminal, isColored)
        yield* seen(terminal, "keys")
        assert.strictEqual(/\x1b\[(?:\d+;)*31m/.test(terminal.output), isColored)
        assert.match(terminal.output, /\x1b\[(?:\d+;)*1(?:;\d+)*m/)
        yield* Fiber.interrupt(fiber)
      }
    })
  )

  it.live("where there is no terminal, says what to do instead", () =>
    Effect.gen(function* () {
      const terminal = new FakeTerminal()
      const { isColored, stdin, stdout } = terminal.shape()
      Object.assign(stdout, { isTTY: false })
      const error = yield* Effect.flip(runTui(counting).pipe(Effect.provideService(Terminal, { isColored, stdin, stdout })))
      assert.strictEqual(error.message, "this is not a terminal: use --once")
    })
  )
})
