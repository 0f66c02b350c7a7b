/** A point in a recording as people write it: a span since each run's begin (`90s`, `2h`), or a date and time (`2026-11-21T13:45`, with `Z` in UTC). */
import { type Milliseconds, parseDuration } from "@wmo/core"
import { Effect, Option, Result } from "effect"
import { usageError } from "./Exit.ts"

interface Moment {
  readonly isSpan: boolean
  /** Where it is in a run that began at this time: milliseconds since 1970. */
  readonly at: (startMs: Milliseconds) => Milliseconds
}

const parse = (flag: string, text: string) => {
  const span = parseDuration(text)
  if (Result.isSuccess(span)) return Effect.succeed<Moment>({ isSpan: true, at: (startMs) => startMs + span.success })
  const atMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(atMs)) return Effect.succeed<Moment>({ isSpan: false, at: () => atMs })
  return Effect.fail(
    usageError(`--${flag}: "${text}" is neither a span since the begin, such as 90s or 2h, nor a time, such as 2026-11-21T13:45`)
  )
}

/** The flags `--from` and `--to` as the times of a run, given when it began; what was not given is its end. */
export const parseWindow = Effect.fnUntraced(function* (fromText: Option.Option<string>, toText: Option.Option<string>) {
  const from = Option.isNone(fromText) ? undefined : yield* parse("from", fromText.value)
  const to = Option.isNone(toText) ? undefined : yield* parse("to", toText.value)
  if (from !== undefined && to !== undefined && from.isSpan === to.isSpan && to.at(0) <= from.at(0)) {
    return yield* usageError("--to must be later than --from")
  }
  return (startMs: Milliseconds) => ({ fromMs: from?.at(startMs) ?? -Infinity, toMs: to?.at(startMs) ?? Infinity })
})
