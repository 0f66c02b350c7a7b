/** What `wmo top` does: feeds the view from this machine's groups or from a recording, or prints one table. */
import { Cgroups } from "@wmo/core"
import { GroupGone } from "@wmo/monitors"
import { openRecordings } from "@wmo/recording"
import { type TopFrame, topJson, topRows, topTable, topTree } from "@wmo/report"
import { Clock, Console, Effect, Option, Stream } from "effect"
import { basename } from "node:path"
import type { TopFlags } from "../commands/top.ts"
import { ExitCode, ExitWith, usageError } from "../Exit.ts"
import { lookingAtThisMachine } from "../live.ts"
import { parseWindow } from "../moment.ts"
import { chooseRuns, runStart } from "../recordingParts.ts"
import { stateDirectory } from "../stateDirectory.ts"
import { runTui, type TuiHandle } from "../tui/runTui.ts"
import { makeLiveSource } from "../tui/top/liveSource.ts"
import { openPlaySource, type PlaySource } from "../tui/top/playSource.ts"
import { onTopKey, startState, type TopState, withFrame, withPlace } from "../tui/top/state.ts"
import type { TopSource } from "../tui/top/TopSource.ts"
import { topView } from "../tui/top/view.ts"

const withoutTerminal = "`wmo top --once` prints one table, `--json` one for scripts"

const depthOf = ({ depth }: TopFlags): number => Option.getOrElse(depth, () => Infinity)

/** The view until the user leaves it. */
const show = Effect.fnUntraced(function* <E, R>(initial: TopState, feed: (handle: TuiHandle<TopState>) => Effect.Effect<void, E, R>) {
  const end = yield* runTui({ initial, onKey: onTopKey, view: topView, isDone: ({ isDone }) => isDone, feed, withoutTerminal })
  if (end === "interrupted") return yield* new ExitWith({ code: ExitCode.interrupted })
})

/** Prints a frame with the rates since the one before. */
const printOnce = (flags: TopFlags, root: string, before: TopFrame | undefined, frame: TopFrame) => {
  const rows = topRows(before, frame, flags.coldAge)
  const arrangement = { root, sort: flags.sort, isAscending: false, filter: "", collapsed: new Set<string>(), depth: depthOf(flags) }
  const shown = topTree(rows, arrangement)
  if (!flags.json) return Console.log(topTable(shown))
  const seconds = before === undefined ? null : (frame.atMs - before.atMs) / 1000
  const groups = shown.map(topJson)
  return Console.log(
    JSON.stringify({ at_ms: frame.atMs, rates_over_seconds: seconds, cold_age_seconds: flags.coldAge / 1000, groups }, null, 2)
  )
}

/** Takes a sample every while, on a fixed rhythm; a change of the interval or the end of a pause counts at once. */
const feedLive =
  (source: TopSource) =>
  (handle: TuiHandle<TopState>): Effect.Effect<void, Effect.Error<TopSource["frame"]>> =>
    Effect.gen(function* () {
      for (let due = yield* Clock.currentTimeMillis; ;) {
        const { everyMs, isPaused } = handle.get()
        if (!isPaused) {
          const frame = yield* source.frame
          handle.update((state) => (state.isPaused ? state : withFrame(state, frame)))
        }
        const now = yield* Clock.currentTimeMillis
        // Where one sample takes longer than that, keys are heard in between.
        due = due + everyMs > now ? due + everyMs : now + everyMs / 4
        const changed = handle.states.pipe(
          Stream.filter((state) => state.everyMs !== everyMs || state.isPaused !== isPaused),
          Stream.take(1),
          Stream.runDrain
        )
        yield* Effect.raceFirst(changed, isPaused ? Effect.never : Effect.sleep(due - now))
        if (handle.get().everyMs !== everyMs || isPaused) due = yield* Clock.currentTimeMillis
      }
    })

const live = Effect.fnUntraced(function* (flags: TopFlags) {
  const cgroups = yield* Cgroups
  const root = cgroups.normalize(flags.cgroup)
  if (!(yield* cgroups.exists(root))) return yield* new GroupGone({ group: root })
  const source = yield* makeLiveSource(root, stateDirectory())
  if (flags.once || flags.json) {
    const before = yield* source.frame
    yield* Effect.sleep(flags.every)
    return yield* printOnce(flags, root, before, yield* source.frame)
  }
  const initial = startState({ root, depth: depthOf(flags), sort: flags.sort, coldMs: flags.coldAge, everyMs: flags.every })
  yield* show(initial, feedLive(source))
})

/** So long a change takes to be on the screen. */
const drawnMs = 40

/** Shows the sample that the state asks for; while it plays, asks for the next one every while. */
const feedPlay =
  (source: PlaySource) =>
  (handle: TuiHandle<TopState>): Effect.Effect<void, Effect.Error<ReturnType<PlaySource["place"]>>> =>
    Effect.gen(function* () {
      for (let shown = -1; ;) {
        const { everyMs, playing } = handle.get()
        const { index, isRunning } = playing!
        if (index !== shown) {
          if (!source.isAtHand(index)) {
            handle.update((state) => ({ ...state, note: "reading …" }))
            yield* Effect.sleep(drawnMs)
          }
          const place = yield* source.place(index)
          shown = index
          handle.update((state) => withPlace(state, place))
        }
        const changed = handle.states.pipe(
          Stream.filter((state) => state.playing!.index !== shown || state.playing!.isRunning !== isRunning),
          Stream.take(1),
          Stream.runDrain
        )
        if (!isRunning) yield* changed
        else {
          yield* Effect.raceFirst(changed, Effect.sleep(everyMs))
          handle.update((state) => stepOn(state, shown))
        }
      }
    })

/** The next sample, unless the user has gone elsewhere meanwhile; at the end it rests. */
const stepOn = (state: TopState, shown: number): TopState => {
  const playing = state.playing!
  if (!playing.isRunning || playing.index !== shown) return state
  const isLast = shown >= playing.times.length - 1
  return { ...state, playing: isLast ? { ...playing, isRunning: false } : { ...playing, index: shown + 1 } }
}

const play = Effect.fnUntraced(function* (flags: TopFlags, file: string) {
  const recording = yield* openRecordings(file)
  const run = (yield* chooseRuns(recording, flags.run)).at(-1)!
  const startMs = yield* runStart(recording, run)
  const { fromMs } = (yield* parseWindow(flags.at, Option.none()))(startMs)
  const source = yield* openPlaySource(recording, run)
  const found = source.times.findIndex((time) => time >= fromMs)
  if (found < 0) return yield* usageError(`--at is after the end of run ${run.id}, ${new Date(source.times.at(-1)!).toISOString()}`)
  const root = flags.cgroup.split("/").filter(Boolean).join("/")
  const groups = (yield* recording.subjects(run.id)).filter(({ kind }) => kind === "cgroup")
  if (root !== "" && !groups.some(({ name }) => name === root || name.startsWith(`${root}/`))) {
    return yield* usageError(`${file} has no cgroup ${root}; \`wmo recording list ${file}\` shows what it holds`)
  }
  if (flags.once || flags.json) {
    // The end of a run, unless a time was asked for: rates are over the sample before.
    const { before, frame } = yield* source.place(Option.isSome(flags.at) ? found : source.times.length - 1)
    return yield* printOnce(flags, root, before, frame)
  }
  const playing = { name: `${basename(file)}: ${run.label}`, times: source.times, index: found, isRunning: false }
  const everyMs = Math.min(flags.every, 500)
  const initial = startState({ root, depth: depthOf(flags), sort: flags.sort, coldMs: flags.coldAge, everyMs, playing })
  yield* show(initial, feedPlay(source))
})

export const top = Effect.fn("wmo top")(function* (flags: TopFlags) {
  if (flags.every < 100) return yield* usageError("--every must be at least 100ms")
  if (Option.exists(flags.depth, (depth) => depth < 0)) return yield* usageError("--depth must be 0 or more")
  if (Option.isSome(flags.play)) return yield* Effect.scoped(play(flags, flags.play.value))
  if (flags.run !== 0 || Option.isSome(flags.at)) return yield* usageError("--run and --at are for --play FILE")
  yield* lookingAtThisMachine(live(flags))
})
