/** What `wmo arena watch` and `wmo arena advise` do: run the process arena on this machine's kernel, and print what it says. */
import {
  type Decision,
  defaultProcessSettings,
  findPredictor,
  openProcessArena,
  predictors,
  type ProcessArena,
  type ProcessSettings
} from "@wmo/arena"
import { parseBytes, parseDuration } from "@wmo/core"
import { Clock, Console, Effect, Option, Result, type Scope } from "effect"
import { appendFileSync, writeFileSync } from "node:fs"
import type { ArenaAdviseFlags, ArenaWatchFlags } from "../commands/arenaProcess.ts"
import { type Failure, usageError } from "../Exit.ts"
import { asFailure, withProcessServices } from "../processServices.ts"
import { decisionLine, statusJson, summaryText, watchText } from "./arenaProcessText.ts"

const lookMs = 20_000

const settingOf = (key: string, text: string): number | undefined => {
  if (!(key in defaultProcessSettings)) return undefined
  const parsed = key.includes("Bytes") ? parseBytes(text) : key.endsWith("Ms") ? parseDuration(text) : Result.succeed(Number(text))
  return Result.isSuccess(parsed) && !Number.isNaN(parsed.success) ? parsed.success : undefined
}

type Shared = Pick<ArenaWatchFlags, "pid" | "predictor" | "chunk" | "interval" | "cold" | "set" | "takeOver">

const optionsOf = Effect.fnUntraced(function* (flags: Shared) {
  if (flags.pid < 1) return yield* usageError(`pid must be the number of a process, not ${flags.pid}`)
  const predictor = findPredictor(flags.predictor)
  if (predictor === undefined) {
    return yield* usageError(`--predictor: there is no "${flags.predictor}"; there are ${predictors.map(({ name }) => name).join(", ")}`)
  }
  const settings: { -readonly [K in keyof ProcessSettings]?: number } = {}
  for (const [key, text] of Object.entries(flags.set)) {
    const value = settingOf(key, text)
    if (value === undefined) {
      const known = Object.keys(defaultProcessSettings).join(", ")
      return yield* usageError(
        key in defaultProcessSettings ? `--set ${key}: "${text}" is not a value for it` : `--set: there is no ${key}; there are ${known}`
      )
    }
    settings[key as keyof ProcessSettings] = value
  }
  if (Option.isSome(flags.chunk)) settings.chunkBytes = flags.chunk.value
  if (Option.isSome(flags.interval)) settings.intervalMs = flags.interval.value
  if (Option.isSome(flags.cold)) settings.coldMs = flags.cold.value
  return { pid: flags.pid, predictor, settings, takeOver: flags.takeOver }
})

/** Waits for whatever comes first: the end of the process, or of the time. Gives why, where it was the process. */
const untilEnd = (arena: ProcessArena, forMs: number | undefined) =>
  forMs === undefined
    ? Effect.map(arena.ended, (why): string | undefined => why)
    : Effect.map(Effect.timeoutOption(arena.ended, forMs), Option.getOrUndefined)

export const arenaWatch = Effect.fn("wmo arena watch")(function* (flags: ArenaWatchFlags) {
  const options = yield* optionsOf(flags)
  if (flags.every < 100) return yield* usageError("--every must be at least 100ms")
  const forMs = Option.getOrElse(flags.for, () => (flags.once ? lookMs : undefined))
  const report = (arena: ProcessArena) =>
    Effect.suspend(() =>
      Console.log(
        flags.json
          ? JSON.stringify({ type: "report", ...statusJson(arena.status()), ranges: arena.ranges() })
          : watchText(arena.status(), arena.ranges())
      )
    )
  const run = Effect.gen(function* () {
    const arena = yield* openProcessArena({ ...options, mode: "watch" })
    const reports = Effect.gen(function* () {
      while (true) {
        yield* Effect.sleep(flags.every)
        yield* report(arena)
      }
    })
    if (!flags.once) yield* Effect.forkScoped(reports)
    const why = yield* untilEnd(arena, forMs)
    if (why === undefined) yield* arena.refresh
    if (flags.once || why === undefined) yield* report(arena)
    if (why !== undefined) yield* Console.error(`wmo: ${why}`)
  })
  yield* asFailure(withProcessServices(run))
})

/** When to end, in milliseconds from now; undefined for never. */
const timeLeft = Effect.fnUntraced(function* (flags: ArenaAdviseFlags) {
  const nowMs = yield* Clock.currentTimeMillis
  const text = Option.getOrUndefined(flags.until)
  if (text === undefined) return Option.getOrUndefined(flags.for)
  if (Option.isSome(flags.for)) return yield* usageError("--for and --until exclude each other: give one")
  const span = parseDuration(text)
  const leftMs = Result.isSuccess(span) ? span.success : Date.parse(text) - nowMs
  if (Number.isNaN(leftMs))
    return yield* usageError(`--until: "${text}" is neither a time, such as 2026-11-21T13:45, nor a span, such as 2h`)
  return leftMs > 0 ? leftMs : yield* usageError(`--until: ${text} is over already`)
})

export const arenaAdvise = Effect.fn("wmo arena advise")(function* (flags: ArenaAdviseFlags) {
  const options = yield* optionsOf(flags)
  const forMs = yield* timeLeft(flags)
  const file = Option.getOrUndefined(flags.record)
  if (file !== undefined) {
    yield* Effect.try({
      try: () => writeFileSync(file, "", { flag: "wx" }),
      catch: (cause) => usageError(`--record: ${(cause as Error).message}`)
    })
  }
  const record = (line: object): void => {
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`)
  }
  // Decisions come in the middle of things, not as effects.
  const out = yield* Console.Console
  const said = (decision: Decision): void => {
    const line = { type: "decision", ...decision }
    record(line)
    if (flags.quiet) return
    if (flags.json) out.log(JSON.stringify(line))
    else out.error(decisionLine(decision))
  }
  const run: Effect.Effect<void, unknown, any> = Effect.gen(function* () {
    const arena = yield* openProcessArena({ ...options, mode: flags.dryRun ? "dry-run" : "advise", by: flags.by, onDecision: said })
    const summary = Effect.suspend(() => {
      const status = arena.status()
      record({ type: "summary", ...statusJson(status) })
      return Console.log(flags.json ? JSON.stringify({ type: "summary", ...statusJson(status) }) : summaryText(status))
    })
    if (file !== undefined) {
      const figures = Effect.gen(function* () {
        while (true) {
          yield* Effect.sleep(1000)
          record({ type: "status", atMs: yield* Clock.currentTimeMillis, ...statusJson(arena.status()) })
        }
      })
      yield* Effect.forkScoped(figures)
    }
    yield* Effect.gen(function* () {
      const why = yield* untilEnd(arena, forMs)
      if (why === undefined) yield* arena.refresh
      else yield* Console.error(`wmo: ${why}`)
    }).pipe(Effect.ensuring(summary))
  })
  yield* asFailure(withProcessServices(run as Effect.Effect<void, Failure, Scope.Scope>))
})
