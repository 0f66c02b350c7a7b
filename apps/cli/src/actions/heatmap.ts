/** What `wmo heatmap` does: feeds pictures, and shows them in a live view, or once as text, JSON or SVG. */
import { heatColumns, heatLines, heatSvg, type Line, legendLine, line, plainLine, scaleLine } from "@wmo/report"
import { Clock, Console, Effect, Option, Stream } from "effect"
import { existsSync, writeFileSync } from "node:fs"
import { basename } from "node:path"
import type { HeatmapFlags } from "../commands/heatmap.ts"
import { ExitCode, Failure, unsupported, usageError } from "../Exit.ts"
import { ansiLine } from "../tui/ansi.ts"
import { headOf, HeatPictures, measureOf, type Picture, pictureView } from "../tui/heatmapPictures.ts"
import { heatmapView, initialState, onKey } from "../tui/heatmapView.ts"
import { runTui } from "../tui/runTui.ts"
import { isTerminal, Terminal } from "../tui/Terminal.ts"
import { chosenTarget, type HeatFeed, liveFeed, withKernel } from "./heatmapFeed.ts"
import { type HeatRecorder, openHeatRecorder, recordedFeed } from "./heatmapRecording.ts"

const lookMs = 20_000
/** Columns that are kept: twenty minutes of seconds, and never more memory than about 80 MB a process. */
const columnsAtMost = 1200
/** How often the screen follows what is seen. */
const drawMs = 200
const nice = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].map((seconds) => seconds * 1000)

/** A span of time that fits `spanMs` into so many columns. */
const columnFor = (spanMs: number, columns: number, atLeastMs: number): number => {
  const needed = Math.max(atLeastMs, spanMs / Math.max(1, columns - 1))
  // Whole aggregations, or columns would be of one more or less.
  if (needed < 1000) return Math.ceil(needed / atLeastMs) * atLeastMs
  return nice.find((ms) => ms >= needed) ?? Math.ceil(needed / 3_600_000) * 3_600_000
}

const newFile = (flag: string, file: string) =>
  existsSync(file) ? Effect.fail(usageError(`${flag}: ${file} is there already; nothing is overwritten`)) : Effect.void

const jsonOf = (picture: Picture, flags: HeatmapFlags, columns: number) => {
  const view = pictureView(picture, { rows: flags.rows, columns, average: flags.average })
  const share = (value: number) => (Number.isNaN(value) ? null : Math.round(value * 1e6) / 1e6)
  return {
    subject: picture.name,
    title: picture.title,
    measure: measureOf(picture),
    column_ms: view.columnMs,
    average_columns: view.average,
    total_bytes: view.totalBytes,
    ranges: view.ranges,
    columns_at_ms: view.columns,
    rows: view.rows.map((row) => ({
      label: row.label,
      ...(row.bytes === 0 ? {} : { start: `0x${row.start.toString(16)}`, end: `0x${row.end.toString(16)}`, bytes: row.bytes }),
      mapping: row.name,
      other_mappings: row.others,
      kind: row.kind,
      after_gap: row.hasGap,
      never_used: row.isNever,
      mean: share(row.mean),
      cells: Array.from(row.cells, share)
    }))
  }
}

const textOf = (picture: Picture, feed: HeatFeed<unknown>, flags: HeatmapFlags, width: number): ReadonlyArray<Line> => {
  const view = pictureView(picture, { rows: flags.rows, columns: heatColumns(width), average: flags.average })
  const measure = measureOf(picture)
  return [
    line(`${headOf(picture, view)} · ${feed.detail}`),
    line(scaleLine(view, { measure }), { dim: true }),
    ...heatLines(view, { width, overlay: flags.overlay, scale: flags.scale, measure }),
    legendLine(flags)
  ]
}

const svgOf = (picture: Picture, feed: HeatFeed<unknown>, flags: HeatmapFlags): string => {
  const view = pictureView(picture, { rows: flags.rows, columns: columnsAtMost, average: flags.average })
  return heatSvg(view, {
    title: headOf(picture, view),
    subtitle: feed.detail,
    overlay: flags.overlay,
    scale: flags.scale,
    measure: measureOf(picture)
  })
}

const sizeOf = (picture: Picture): number => pictureView(picture, { rows: 1, columns: 1 }).totalBytes

/** Looks for a while, or at all of a recording, and prints. */
const once = Effect.fnUntraced(function* <E>(feed: HeatFeed<E>, flags: HeatmapFlags) {
  const { isColored, stdout } = yield* Terminal
  const width = Math.max(
    40,
    Option.getOrElse(flags.width, () => (stdout.isTTY ? stdout.columns : 100))
  )
  const untilMs = Option.getOrElse(flags.for, () => lookMs)
  const isPicture = Option.isSome(flags.svg)
  const columns = isPicture ? 180 : heatColumns(width)
  const columnMs = Option.getOrElse(flags.column, () => columnFor(feed.spanMs ?? untilMs, columns, feed.stepMs))
  const pictures = new HeatPictures({ columnMs, columnsAtMost: Math.max(columnsAtMost, columns) })
  for (const note of feed.notes) yield* Console.error(`wmo: ${note}`)
  if (!feed.isRecording && stdout.isTTY) yield* Console.error(`wmo: looking for ${untilMs / 1000} s`)
  const recorder = yield* Effect.transposeOption(Option.map(flags.record, (file) => openHeatRecorder(file, feed.detail)))
  const items = feed.isRecording ? feed.items : Stream.interruptWhen(feed.items, Effect.sleep(`${untilMs} millis`))
  yield* Stream.runForEach(items, (item) => {
    pictures.add(item)
    return Option.isSome(recorder) ? recorder.value.write(item) : Effect.void
  }).pipe(Effect.ensuring(Option.isSome(recorder) ? recorder.value.close : Effect.void))
  const { all } = pictures
  const missed = feed.missed?.() ?? 0
  if (missed > 0)
    yield* Console.error(
      `wmo: ${missed} aggregations are missing, since the kernel was faster than this; use fewer regions or a longer --aggregation`
    )
  if (all.length === 0) {
    return yield* new Failure({
      message: "nothing was seen: it ended at once, or --for is shorter than --aggregation",
      exitCode: ExitCode.failed
    })
  }
  if (Option.isSome(flags.svg)) {
    const file = flags.svg.value
    const largest = all.toSorted((a, b) => sizeOf(b) - sizeOf(a))[0]!
    yield* Effect.try({
      try: () => writeFileSync(file, svgOf(largest, feed, flags), { flag: "wx" }),
      catch: (cause) => new Failure({ message: `--svg: ${(cause as Error).message}`, exitCode: ExitCode.failed })
    })
  }
  if (flags.json)
    yield* Console.log(
      JSON.stringify({ detail: feed.detail, notes: feed.notes, subjects: all.map((picture) => jsonOf(picture, flags, columns)) })
    )
  else if (flags.once || !isPicture) {
    const print = stdout.isTTY === true ? (content: Line) => ansiLine(content, isColored) : plainLine
    const texts = all.map((picture) => textOf(picture, feed, flags, width).map(print).join("\n"))
    yield* Console.log(texts.join("\n\n"))
  }
})

/** The live view: feeds it, and records while that is wanted. */
const watch = Effect.fnUntraced(function* <E>(feed: HeatFeed<E>, flags: HeatmapFlags) {
  const columnMs = Option.getOrElse(flags.column, () => Math.max(1000, feed.stepMs))
  const played = Option.map(flags.play, (file) => `${basename(file)}${flags.speed === 1 ? "" : ` ×${flags.speed}`}`)
  const initial = initialState({
    pictures: new HeatPictures({ columnMs, columnsAtMost }),
    detail: feed.detail,
    overlay: flags.overlay,
    scale: flags.scale,
    average: flags.average,
    played: Option.getOrUndefined(played),
    wantsRecording: Option.isSome(flags.record),
    message: feed.notes.length === 0 ? undefined : feed.notes.join("; ")
  })
  let files = 0
  const nextFile = (): string => {
    const given = Option.getOrUndefined(flags.record)
    if (files++ === 0 && given !== undefined) return given
    return `heatmap-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.wmo`
  }
  const end = yield* runTui({
    initial,
    onKey,
    view: heatmapView,
    isDone: ({ isDone }) => isDone,
    withoutTerminal: "use --once to print one heatmap, --json or --svg",
    feed: (handle) => {
      let recorder: HeatRecorder | undefined
      let drawnMs = -Infinity
      const stopRecording = Effect.suspend(() => {
        const open = recorder
        recorder = undefined
        return open === undefined ? Effect.void : open.close
      })
      const follow = Effect.gen(function* () {
        const { recordedTo, wantsRecording } = handle.get()
        if (wantsRecording && recorder === undefined) {
          const file = nextFile()
          recorder = yield* openHeatRecorder(file, feed.detail)
          handle.update((state) => ({ ...state, recordedTo: file, message: `recording to ${file}` }))
        } else if (!wantsRecording && recorder !== undefined) {
          yield* stopRecording
          handle.update((state) => ({ ...state, recordedTo: undefined, message: `recorded to ${recordedTo}` }))
        }
      }).pipe(
        Effect.catch((error) =>
          Effect.sync(() =>
            handle.update((state) => ({
              ...state,
              wantsRecording: false,
              recordedTo: undefined,
              message: `cannot record: ${messageOf(error)}`
            }))
          )
        )
      )
      const take = Stream.runForEach(feed.items, (item) =>
        Effect.gen(function* () {
          const { pictures } = handle.get()
          pictures.add(item)
          yield* follow
          if (recorder !== undefined) yield* recorder.write(item)
          const now = yield* Clock.currentTimeMillis
          if (now - drawnMs < drawMs) return
          drawnMs = now
          handle.update((state) => ({ ...state, seen: pictures.count }))
        })
      )
      const over = Effect.sync(() =>
        handle.update((state) => ({ ...state, seen: state.pictures.count, isOver: true, recordedTo: undefined }))
      )
      const timed = Option.isNone(flags.for)
        ? Effect.never
        : Effect.andThen(
            Effect.sleep(`${flags.for.value} millis`),
            Effect.sync(() => handle.update((state) => ({ ...state, isDone: true })))
          )
      const fed = take.pipe(Effect.ensuring(stopRecording), Effect.andThen(over), Effect.andThen(Effect.never))
      return Effect.raceFirst(fed, timed)
    }
  })
  if (end === "interrupted") return yield* Effect.interrupt
})

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export const heatmap = Effect.fn("wmo heatmap")(function* (flags: HeatmapFlags) {
  const target = yield* chosenTarget(flags)
  const isOnce = flags.once || flags.json || Option.isSome(flags.svg)
  if (Option.isSome(flags.svg)) yield* newFile("--svg", flags.svg.value)
  if (Option.isSome(flags.record)) {
    if (target === undefined) return yield* usageError("--record is for what is live; --play shows what is recorded already")
    yield* newFile("--record", flags.record.value)
  }
  // Before anything is started for a view that cannot be shown.
  if (!isOnce && !isTerminal(yield* Terminal)) {
    return yield* unsupported("this is not a terminal: use --once to print one heatmap, --json or --svg")
  }
  if (Option.isSome(flags.play)) {
    const file = flags.play.value
    return yield* Effect.scoped(
      Effect.flatMap(recordedFeed(file, flags, isOnce), (feed) => (isOnce ? once(feed, flags) : watch(feed, flags)))
    )
  }
  yield* withKernel(Effect.flatMap(liveFeed(target!, flags), (feed) => (isOnce ? once(feed, flags) : watch(feed, flags))))
})
