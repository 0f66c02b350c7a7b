/**
 * A recording as `wmo top` sees it: samples by number. Knows the times of all samples; reads the samples themselves where they are looked
 * at, a stretch at a time, so that hours of a thousand groups need no more memory than a minute.
 */
import { type At, type Frame, type PageAgeEntry, type Recording, RecordingError, type RunInfo } from "@wmo/recording"
import { type TopAges, type TopDecision, type TopFrame, topGroup } from "@wmo/report"
import { Effect, Stream } from "effect"

/** What is shown of a sample, with what came before. */
interface Place {
  readonly index: number
  readonly before: TopFrame | undefined
  readonly frame: TopFrame
  readonly past: ReadonlyArray<TopFrame>
  readonly said: ReadonlyMap<string, ReadonlyArray<{ readonly atMs: number; readonly reason: string }>>
}

export interface PlaySource {
  readonly times: ReadonlyArray<number>
  /** Whether it is in memory: what is not may take seconds, with a thousand groups, in which nothing else happens. */
  readonly isAtHand: (index: number) => boolean
  readonly place: (index: number) => Effect.Effect<Place, RecordingError>
}

/** Samples that are read at once before and after the one that is asked for: what sparklines show, and a few steps on. */
const stretchBefore = 120
const stretchAfter = 60
/** Page ages are shown for so long after they were recorded. */
const agesLastMs = 120_000
const saidKept = 50

interface Stretch {
  readonly first: number
  readonly frames: ReadonlyArray<TopFrame>
}

const isGroup = ({ kind }: { readonly kind: string }): boolean => kind === "cgroup"

/** Snapshots of all groups; of a policy's run, which has its own group only, all of them. */
const isWhole = (frame: Frame): boolean => frame.complete.includes("cgroup")

export const openPlaySource = Effect.fnUntraced(function* (recording: Recording, run: RunInfo) {
  const all: Array<number> = []
  const whole: Array<number> = []
  // Nothing is wanted of them but their times: the rest is not decoded.
  yield* Stream.runForEach(recording.frames(run.id, { isWanted: () => false }), (frame) =>
    Effect.sync(() => {
      all.push(frame.atMs)
      if (isWhole(frame)) whole.push(frame.atMs)
    })
  )
  const isTree = whole.length > 0
  // A clock that was set back would make two samples of one time: the later ones count.
  const times = [...new Set(isTree ? whole : all)].toSorted((a, b) => a - b)
  if (times.length === 0) {
    return yield* new RecordingError({ file: recording.file, operation: "read", problem: `run ${run.id} holds no samples of groups` })
  }

  const decisions = new Map<string, Array<{ readonly atMs: number; readonly reason: string }>>()
  for (const { atMs, reason, subject } of yield* recording.decisions(run.id)) {
    if (!isGroup(subject)) continue
    const known = decisions.get(subject.name)
    if (known === undefined) decisions.set(subject.name, [{ atMs, reason }])
    else if (known.at(-1)!.reason !== reason) known.push({ atMs, reason })
  }
  const lastBefore = <A extends { readonly atMs: number }>(entries: ReadonlyArray<A>, atMs: number): number => {
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (entries[middle]!.atMs <= atMs) low = middle + 1
      else high = middle
    }
    return low
  }

  const read = Effect.fnUntraced(function* (first: number, last: number) {
    const window = { fromMs: times[first]!, toMs: times[last]!, isWanted: isGroup }
    const ages = [
      ...(yield* Stream.runCollect(recording.entries(run.id, "pageAges", { ...window, fromMs: times[first]! - agesLastMs })))
    ] as ReadonlyArray<At<PageAgeEntry>>
    let heard = 0
    const latest = new Map<string, At<PageAgeEntry>>()
    const frames: Array<TopFrame> = []
    yield* Stream.runForEach(recording.frames(run.id, window), (frame) =>
      Effect.sync(() => {
        if (isTree && !isWhole(frame)) return
        for (; heard < ages.length && ages[heard]!.atMs <= frame.atMs; heard++) latest.set(ages[heard]!.subject.name, ages[heard]!)
        const shownAges = new Map<string, TopAges>()
        for (const [group, { atMs, pageAge }] of latest) if (frame.atMs - atMs <= agesLastMs) shownAges.set(group, pageAge)
        const shownDecisions = new Map<string, TopDecision>()
        for (const [group, said] of decisions) {
          const entry = said[lastBefore(said, frame.atMs) - 1]
          if (entry !== undefined) shownDecisions.set(group, { policy: run.policy, ...entry })
        }
        const groups = frame.points.map(({ subject, values }) => topGroup(subject.name, (metric) => values[metric]))
        frames.push({ atMs: frame.atMs, groups, ages: shownAges, decisions: shownDecisions })
      })
    )
    return { first, frames } satisfies Stretch
  })

  let stretch: Stretch = { first: 0, frames: [] }
  const isAtHand = (index: number) => Math.max(0, index - 1) >= stretch.first && index < stretch.first + stretch.frames.length
  const place = Effect.fnUntraced(function* (index: number) {
    if (!isAtHand(index)) {
      stretch = yield* read(Math.max(0, index - stretchBefore), Math.min(times.length - 1, index + stretchAfter))
    }
    const at = stretch.frames.findLastIndex(({ atMs }) => atMs <= times[index]!)
    const frame = stretch.frames[at]
    if (frame === undefined) {
      return yield* new RecordingError({
        file: recording.file,
        operation: "read",
        problem: `sample ${index} of run ${run.id} cannot be read`
      })
    }
    const said = new Map(
      [...decisions].map(([group, entries]) => [group, entries.slice(0, lastBefore(entries, frame.atMs)).slice(-saidKept)])
    )
    return {
      index,
      before: stretch.frames[at - 1],
      frame,
      past: stretch.frames.slice(Math.max(0, at - stretchBefore), at),
      said
    } satisfies Place
  })
  return { times, isAtHand, place } satisfies PlaySource
})
