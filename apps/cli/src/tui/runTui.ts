/**
 * A full-screen view as a value: a state, pure functions from keys to states and from states to lines, and an effect that feeds it (from
 * streams, samplers, recordings). Runs on the alternate screen with raw keys; whatever ends it (a key, a failure, an interrupt, a signal, a
 * thrown error, `process.exit`) leaves the terminal as it was. Only kill -9 does not. Ink is loaded here and nowhere else.
 */
import type { Line } from "@wmo/report"
import { Effect, Queue, type Scope, Stream } from "effect"
import { unsupported } from "../Exit.ts"
import { makeStore, type Store } from "./Store.ts"
import type { ScreenProps } from "./Screen.ts"
import { isTerminal, type Size, Terminal, type TerminalShape } from "./Terminal.ts"

/** What the feeding effect has of a view. */
export interface TuiHandle<State> {
  readonly get: () => State
  /** Changes the state; the screen follows, at most 30 times a second. */
  readonly update: (change: (state: State) => State) => void
  /** The state now, and after changes: who is slow misses some, never the last. */
  readonly states: Stream.Stream<State>
}

export interface TuiOptions<State, E, R> {
  readonly initial: State
  /** What a key does. Names are those of `keys.ts`. `ctrl+c` ends the view, `ctrl+z` stops the job: they never come here. */
  readonly onKey: (state: State, key: string, size: Size) => State
  /** At most `size.rows` lines; longer ones are cut. */
  readonly view: (state: State, size: Size) => ReadonlyArray<Line>
  readonly isDone: (state: State) => boolean
  /** Runs beside the view until that is done. Its failure ends the view; its end does not. */
  readonly feed: (handle: TuiHandle<State>) => Effect.Effect<void, E, R>
  /** What to do where this is no terminal, for the error: `use --once`. */
  readonly withoutTerminal: string
}

/** How the user left. */
export type TuiEnd = "done" | "interrupted"

const statesOf = <State>(store: Store<State>): Stream.Stream<State> =>
  Stream.callback<State>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          Queue.offerUnsafe(queue, store.get())
          return store.subscribe(() => Queue.offerUnsafe(queue, store.get()))
        }),
        (unsubscribe) => Effect.sync(unsubscribe)
      ),
    { bufferSize: 1, strategy: "sliding" }
  )

/** Runs the view until it is done; fails with exit code 3 where there is no terminal. */
export const runTui = Effect.fnUntraced(function* <State, E, R>({
  feed,
  initial,
  isDone,
  onKey,
  view,
  withoutTerminal
}: TuiOptions<State, E, R>) {
  const terminal = yield* Terminal
  if (!isTerminal(terminal)) return yield* unsupported(`this is not a terminal: ${withoutTerminal}`)
  const store = makeStore(initial)
  const ended = yield* Queue.unbounded<TuiEnd>()
  const settle = () => {
    if (isDone(store.get())) Queue.offerUnsafe(ended, "done")
  }
  const handle: TuiHandle<State> = {
    get: store.get,
    update: (change) => {
      store.set(change(store.get()))
      settle()
    },
    states: statesOf(store)
  }
  const onScreenKey = (key: string, size: Size) =>
    key === "ctrl+c" ? void Queue.offerUnsafe(ended, "interrupted") : handle.update((state) => onKey(state, key, size))
  const broken = yield* show(terminal, { store, view, onKey: onScreenKey, isColored: terminal.isColored })
  const fed = Effect.andThen(feed(handle), Effect.never)
  return yield* Effect.raceFirst(Effect.raceFirst(Queue.take(ended), broken), fed)
}, Effect.scoped)

/** Puts the view on the screen until the scope closes. Gives what dies where drawing it throws. */
const show = Effect.fnUntraced(function* <State>(
  { stdin, stdout }: TerminalShape,
  props: ScreenProps<State>
): Effect.fn.Return<Effect.Effect<never>, never, Scope.Scope> {
  // React's development build, which is what it is without this, measures and checks everything it draws.
  const { env } = process
  env["NODE_ENV"] ??= "production"
  const [{ render }, { screenElement }] = yield* Effect.promise(() => Promise.all([import("ink"), import("./Screen.ts")]))
  const { instance } = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const instance = render(screenElement(props), {
        stdin,
        stdout,
        interactive: true,
        alternateScreen: true,
        incrementalRendering: true,
        exitOnCtrlC: false,
        patchConsole: false
      })
      // Before Node prints what was thrown: on the alternate screen nobody would see it.
      const restore = () => instance.unmount()
      process.on("uncaughtExceptionMonitor", restore)
      return { instance, restore }
    }),
    ({ instance, restore }) =>
      Effect.promise(async () => {
        process.off("uncaughtExceptionMonitor", restore)
        const flushed = instance.waitUntilExit().catch(() => undefined)
        instance.unmount()
        await flushed
      })
  )
  const exit = instance.waitUntilExit()
  exit.catch(() => undefined)
  return Effect.andThen(
    Effect.promise(() => exit),
    Effect.never
  )
})
