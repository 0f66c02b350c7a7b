/**
 * Reads recordings: one file, or all that a daemon left in a directory as if they were one. Long things come as streams, page by page.
 * Rows come as they were stored; `summarize` turns a run into the few numbers that tables show.
 */
import type { Observation, PageAge } from "@wmo/monitors"
import { Cause, Effect, type Scope, Stream } from "effect"
import { existsSync, statSync } from "node:fs"
import { machineValues, observationOf } from "./cgroupSample.ts"
import type { Subject } from "./Entry.ts"
import type { Values } from "./Frame.ts"
import { glueRuns, type Part } from "./glueRuns.ts"
import { filesOf } from "./recordingFiles.ts"
import { RecordingError } from "./RecordingError.ts"
import { type Frame, type MissedTicks, type Point, type Query, RecordingReader, type RunInfo, type SubjectInfo } from "./RecordingReader.ts"
import type { ActionRow, DecisionRow, Tables } from "./tables.ts"

/** A group's values at one time, by metric name; what the kernel did not say is not there. Counters above 2^53 are bigint. */
export type ObservationRow = Readonly<Record<string, number | bigint | undefined>> & { readonly at_ms: number }

export interface Recording {
  /** The file or directory that was opened. */
  readonly file: string
  readonly runs: Effect.Effect<ReadonlyArray<RunInfo>, RecordingError>
  /** What the run observed, in the order in which it was first seen. */
  readonly subjects: (runId: number) => Effect.Effect<ReadonlyArray<SubjectInfo>, RecordingError>
  /** Every subject at every moment at which it was observed, in the order of time. Nothing is kept in memory. */
  readonly points: (runId: number, query?: Query) => Stream.Stream<Point, RecordingError>
  /** The same, snapshot by snapshot. */
  readonly frames: (runId: number, query?: Query) => Stream.Stream<Frame, RecordingError>
  /** Histograms, heat, decisions, actions: `entries(run, "promotions")`. */
  readonly entries: <K extends keyof Tables>(runId: number, name: K, query?: Query) => Stream.Stream<Tables[K], RecordingError>
  /** What a policy saw of a group (default: the run's), turn by turn, page ages included. */
  readonly replay: (runId: number, group?: string) => Stream.Stream<Observation, RecordingError>
  /** A group's whole series (default: the run's own group), in memory. */
  readonly observations: (runId: number, group?: string) => Effect.Effect<ReadonlyArray<ObservationRow>, RecordingError>
  /** The group that the run was about, as its samples name it: a policy's run may name it otherwise (`/app` for `app`). */
  readonly ownGroup: (runId: number) => Effect.Effect<string, RecordingError>
  readonly decisions: (runId: number) => Effect.Effect<ReadonlyArray<DecisionRow>, RecordingError>
  readonly actions: (runId: number) => Effect.Effect<ReadonlyArray<ActionRow>, RecordingError>
  readonly missed: (runId: number) => Effect.Effect<ReadonlyArray<MissedTicks>, RecordingError>
}

const problemOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Opens a recording; it is closed with the scope. */
export const openRecording = (file: string): Effect.Effect<Recording, RecordingError, Scope.Scope> =>
  Effect.map(openReader(file), (reader) => makeRecording(file, [reader]))

/**
 * Opens a file, or every recording of a directory, as one: runs that went through several files are whole again. Files of the directory
 * that are no recordings are left alone.
 */
export const openRecordings = (path: string): Effect.Effect<Recording, RecordingError, Scope.Scope> =>
  existsSync(path) && statSync(path).isDirectory()
    ? Effect.try({
        try: () => {
          const files = filesOf(path)
          if (files.length === 0) throw new Error("there is no recording in that directory")
          return files
        },
        catch: (cause) => new RecordingError({ file: path, operation: "open", problem: problemOf(cause) })
      }).pipe(Effect.flatMap((files) => openTogether(path, files)))
    : openRecording(path)

/** Opens these files as one recording. Fails where two of them hold the same part of the same run. */
export const openTogether = (name: string, files: ReadonlyArray<string>): Effect.Effect<Recording, RecordingError, Scope.Scope> =>
  Effect.flatMap(Effect.forEach(files, openReader), (readers) =>
    Effect.try({
      try: () => {
        glueRuns(readers)
        return makeRecording(name, readers)
      },
      catch: (cause) => new RecordingError({ file: name, operation: "open", problem: problemOf(cause) })
    })
  )

const openReader = (file: string): Effect.Effect<RecordingReader, RecordingError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => new RecordingReader(file),
      catch: (cause) => new RecordingError({ file, operation: "open", problem: problemOf(cause) })
    }),
    (reader) => Effect.sync(() => reader.close())
  )

/** Pages of a generator as a stream; what it throws is its error. */
const streamOf = <A>(file: string, generator: () => Generator<ReadonlyArray<A>>): Stream.Stream<A, RecordingError> =>
  Stream.fromPull(
    Effect.sync(() => {
      const pages = generator()
      const next = Effect.try({
        try: () => pages.next(),
        catch: (cause) => new RecordingError({ file, operation: "read", problem: problemOf(cause) })
      })
      return Effect.flatMap(next, ({ done, value }) =>
        done ? Cause.done() : Effect.succeed(value as unknown as readonly [A, ...Array<A>])
      )
    })
  )

function* inTurn<A>(parts: ReadonlyArray<Part>, generate: (part: Part) => Generator<A>): Generator<A> {
  for (const part of parts) yield* generate(part)
}

const isGroup =
  (group: string) =>
  ({ kind, name }: Subject): boolean =>
    kind === "cgroup" && name === group

const makeRecording = (file: string, readers: ReadonlyArray<RecordingReader>): Recording => {
  const reading = <A>(body: () => A): Effect.Effect<A, RecordingError> =>
    Effect.try({ try: body, catch: (cause) => new RecordingError({ file, operation: "read", problem: problemOf(cause) }) })
  const glued = () => glueRuns(readers)
  const runOf = (id: number) => {
    const run = glued().find(({ info }) => info.id === id)
    if (run === undefined) throw new Error(`there is no run ${id}`)
    return run
  }
  const partsOf = (id: number): ReadonlyArray<Part> => runOf(id).parts

  function* entriesOf<K extends keyof Tables>(runId: number, name: K, query: Query = {}): Generator<ReadonlyArray<Tables[K]>> {
    yield* inTurn(partsOf(runId), (part) => part.reader.entries(name, part.runId, query))
  }
  function* framesOf(runId: number, query: Query = {}): Generator<Frame> {
    yield* inTurn(partsOf(runId), (part) => part.reader.frames(part.runId, query))
  }
  /** As its samples name it; the first of all where none has the run's name. */
  const groupOf = (runId: number, group: string | undefined): string => {
    if (group !== undefined) return group
    const { info, parts } = runOf(runId)
    const groups = parts.flatMap(({ reader, runId: id }) => reader.subjects(id)).filter(({ kind }) => kind === "cgroup")
    return groups.some(({ name }) => name === info.group) ? info.group : (groups[0]?.name ?? info.group)
  }

  function* replayOf(runId: number, given: string | undefined): Generator<ReadonlyArray<Observation>> {
    const group = groupOf(runId, given)
    const isOurs = isGroup(group)
    const ages = flattened(entriesOf(runId, "pageAges", { isWanted: isOurs }))
    let age = ages.next()
    let machine: Values = {}
    for (const { atMs, points: all } of framesOf(runId, { isWanted: (subject) => isOurs(subject) || subject.kind === "machine" })) {
      const points = all.filter(({ subject }) => isOurs(subject))
      machine = machineValues(all.find(({ subject }) => subject.kind === "machine")?.values) ?? machine
      while (!age.done && age.value.atMs < atMs) age = ages.next()
      const pageAge = !age.done && age.value.atMs === atMs ? (age.value.pageAge as PageAge) : undefined
      if (points.length > 0) yield points.map(({ values }) => observationOf(group, atMs, { ...machine, ...values }, pageAge))
    }
  }

  return {
    file,
    runs: reading(() => glued().map(({ info }) => info)),
    subjects: (runId) => reading(() => mergeSubjects(partsOf(runId).flatMap(({ reader, runId: id }) => reader.subjects(id)))),
    frames: (runId, query) => streamOf(file, () => pagesOfOne(framesOf(runId, query))),
    points: (runId, query) => streamOf(file, () => pointsOf(framesOf(runId, query))),
    entries: (runId, name, query) => streamOf(file, () => entriesOf(runId, name, query)),
    replay: (runId, group) => streamOf(file, () => replayOf(runId, group)),
    observations: (runId, group) =>
      reading(() => {
        const rows: Array<ObservationRow> = []
        for (const { atMs, points } of framesOf(runId, { isWanted: isGroup(groupOf(runId, group)) })) {
          for (const { values } of points) rows.push({ at_ms: atMs, ...values })
        }
        return rows
      }),
    ownGroup: (runId) => reading(() => groupOf(runId, undefined)),
    decisions: (runId) => reading(() => [...entriesOf(runId, "decisions")].flat()),
    actions: (runId) => reading(() => [...entriesOf(runId, "actions")].flat()),
    missed: (runId) => reading(() => partsOf(runId).flatMap(({ reader, runId: id }) => reader.missed(id)))
  }
}

function* flattened<A>(pages: Iterable<ReadonlyArray<A>>): Generator<A, undefined> {
  for (const page of pages) yield* page
}

function* pagesOfOne<A>(items: Iterable<A>): Generator<ReadonlyArray<A>> {
  for (const item of items) yield [item]
}

function* pointsOf(frames: Iterable<Frame>): Generator<ReadonlyArray<Point>> {
  for (const { points } of frames) if (points.length > 0) yield points
}

/** One entry a subject, whichever files it was seen in. */
const mergeSubjects = (subjects: ReadonlyArray<SubjectInfo>): ReadonlyArray<SubjectInfo> => {
  const byName = new Map<string, SubjectInfo>()
  for (const subject of subjects) {
    const key = `${subject.kind} ${subject.name}`
    const known = byName.get(key)
    byName.set(
      key,
      known === undefined
        ? subject
        : { ...known, firstMs: Math.min(known.firstMs, subject.firstMs), lastMs: Math.max(known.lastMs, subject.lastMs) }
    )
  }
  return [...byName.values()]
}
