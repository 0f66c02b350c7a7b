/** What `wmo lab league` does, and `wmo lab slots` inside the guest. */
import { formatDuration } from "@wmo/core"
import {
  type BootOrder,
  isOpen,
  knownEntries,
  knownWorkloads,
  type LeaguePlan,
  type LeagueProgress,
  parseEntry,
  parseVmOptions,
  parseWorkload,
  readReport,
  renderVmError,
  reportMarkdown,
  reportText,
  requireGuest,
  requirePrograms,
  resumeLeague,
  runLeague,
  runSlots,
  startLeague,
  type VmError,
  vmExitCode,
  workloadWords
} from "@wmo/lab"
import { Console, Effect, Option, Result } from "effect"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import type { LeagueFlags, SlotsFlags } from "../commands/lab.ts"
import { ExitCode, ExitWith, Failure, unsupported, usageError } from "../Exit.ts"
import { checkWords } from "./leagueWords.ts"

/** How this program was started, to start it anew elsewhere. */
const ownCommand = (): ReadonlyArray<string> => [process.execPath, ...process.execArgv, resolve(process.argv[1]!)]

const parsedAll = <A>(texts: ReadonlyArray<string>, parse: (text: string) => Result.Result<A, string>, key: (value: A) => string) =>
  Effect.gen(function* () {
    const values: Array<A> = []
    for (const text of texts) {
      const parsed = parse(text)
      if (Result.isFailure(parsed)) return yield* usageError(parsed.failure)
      if (values.some((value) => key(value) === key(parsed.success))) return yield* usageError(`"${key(parsed.success)}" is given twice`)
      values.push(parsed.success)
    }
    return values
  })

const quickEntries = ["senpai", "periodic", "slo"]
const countedShift = 2
const leastMeasuredMs = 3000

/** Flags that say what is played: a league that was started has them already. */
const planFlags = (flags: LeagueFlags): ReadonlyArray<string> =>
  [
    { name: "--entry", isGiven: flags.entry.length > 0 },
    { name: "--workload", isGiven: flags.workload.length > 0 },
    { name: "--repeats", isGiven: Option.isSome(flags.repeats) },
    { name: "--duration", isGiven: Option.isSome(flags.duration) },
    { name: "--settle", isGiven: Option.isSome(flags.settle) },
    { name: "--quick", isGiven: flags.quick },
    { name: "--slots-per-boot", isGiven: Option.isSome(flags.slotsPerBoot) },
    { name: "--clock", isGiven: Option.isSome(flags.clock) },
    { name: "--memory", isGiven: Option.isSome(flags.memory) },
    { name: "--kernel-series", isGiven: Option.isSome(flags.kernelSeries) }
  ].flatMap(({ isGiven, name }) => (isGiven ? [name] : []))

/** The plan that the flags ask for. */
const planOf = Effect.fnUntraced(function* (flags: LeagueFlags) {
  const entries = yield* parsedAll(
    flags.entry.length > 0 ? flags.entry : flags.quick ? quickEntries : knownEntries.map(({ label }) => label),
    parseEntry,
    ({ label }) => label
  )
  const workloads = yield* parsedAll(
    flags.workload.length > 0 ? flags.workload : flags.quick ? ["hotcold"] : knownWorkloads.map(({ name }) => name),
    parseWorkload,
    ({ name }) => name
  )
  const repeats = Option.getOrElse(flags.repeats, () => (flags.quick ? 1 : 3))
  const durationMs = Option.getOrElse(flags.duration, () => (flags.quick ? 45_000 : 180_000))
  const settleMs = Option.getOrElse(flags.settle, () =>
    Math.min(Math.floor((durationMs * 2) / 3 / 1000) * 1000, durationMs - leastMeasuredMs)
  )
  const slotsPerBoot = Option.getOrElse(flags.slotsPerBoot, () => 6)
  const isCounted = Option.getOrElse(flags.clock, () => "counted") === "counted"
  if (repeats < 1 || repeats > 1000) return yield* usageError("--repeats must be 1 to 1000")
  if (durationMs < 5000) return yield* usageError("--duration must be at least 5s")
  if (durationMs - settleMs < leastMeasuredMs)
    return yield* usageError(`--settle must leave at least 3s of --duration ${formatDuration(durationMs)}`)
  if (slotsPerBoot < 3) return yield* usageError("--slots-per-boot must be at least 3")
  const { memory } = yield* Effect.fromResult(
    parseVmOptions({ memory: Option.getOrUndefined(flags.memory), kernelSeries: Option.getOrUndefined(flags.kernelSeries) })
  )
  yield* Effect.forEach(workloads, (workload) => checkWords(workloadWords(workload, durationMs)), { discard: true })
  return {
    version: 1,
    entries,
    workloads,
    repeats,
    durationMs,
    settleMs,
    slotsPerBoot,
    memory,
    cpus: isCounted ? 1 : 2,
    icount: isCounted ? countedShift : null,
    kernelSeries: Option.getOrNull(flags.kernelSeries)
  } satisfies LeaguePlan
})

const ending = (error: VmError): Effect.Effect<never, Failure> => {
  const code = vmExitCode(error)
  const known = Object.values(ExitCode).find((exitCode) => exitCode === code)
  return Effect.fail(new Failure({ message: renderVmError(error), exitCode: known ?? ExitCode.failed }))
}

const progressOn = (now: () => number): LeagueProgress => {
  const began = now()
  let slots = 0
  let done = 0
  const say = (line: string) => process.stderr.write(`wmo: ${line}\n`)
  return {
    onStart: (all, played, estimatedMs) => {
      slots = all
      done = played
      say(
        played === all
          ? `all ${all} slots are played`
          : `${all - played} slots to play${played > 0 ? ` of ${all}` : ""}: about ${formatDuration(Math.ceil(estimatedMs / 60_000) * 60_000)}`
      )
    },
    onSlot: (id) => {
      done++
      say(`${formatDuration(Math.round((now() - began) / 1000) * 1000).padStart(10)}  ${done}/${slots}  ${id}`)
    },
    onDeath: (why, again) => say(`a guest died (${why}); ${again ? "what it had not finished is played again" : "its set is left out"}`)
  }
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** Looked at before anything is played: a report takes hours. */
const markdownFile = (given: Option.Option<string>): Effect.Effect<Option.Option<string>, Failure> => {
  if (Option.isNone(given)) return Effect.succeedNone
  const file = resolve(given.value)
  if (isDirectory(file) || given.value.endsWith("/")) return usageError(`--markdown ${given.value}: that is a directory, give a file`)
  if (!isDirectory(dirname(file))) return usageError(`--markdown ${given.value}: there is no directory ${dirname(file)}`)
  return Effect.succeedSome(file)
}

const today = (): string => new Date().toISOString().slice(0, 16).replaceAll(/[-:T]/g, "")

export const league = Effect.fn("wmo lab league")(
  function* (flags: LeagueFlags) {
    if (Option.isSome(flags.resume) && Option.isSome(flags.out)) return yield* usageError("give either --out or --resume")
    if (flags.reportOnly && Option.isNone(flags.resume)) return yield* usageError("--report-only needs --resume DIR")
    const given = planFlags(flags)
    if (Option.isSome(flags.resume) && given.length > 0) {
      return yield* usageError(`--resume goes on with the league as it was started: leave out ${given.join(", ")}`)
    }
    const markdown = yield* markdownFile(flags.markdown)
    const directory = resolve(
      Option.getOrElse(
        Option.orElse(flags.resume, () => flags.out),
        () => `league-${today()}`
      )
    )
    const plan: LeaguePlan = yield* Option.isSome(flags.resume) ? resumeLeague(directory) : planOf(flags)
    if (!flags.reportOnly && (Option.isNone(flags.resume) || isOpen(directory, plan))) {
      yield* requireGuest(plan)
      yield* requirePrograms(plan.workloads, flags.install, (packages) => console.error(`wmo: installing ${packages} (apt-get install)`))
    }
    if (Option.isNone(flags.resume)) yield* startLeague(directory, plan)
    if (!flags.reportOnly) {
      const progress = progressOn(() => performance.now())
      yield* runLeague({ plan, directory, wmo: ownCommand(), stopAfterMs: Option.getOrUndefined(flags.stopAfter), progress })
    }
    const report = yield* readReport(directory, plan)
    yield* Console.log(flags.json ? JSON.stringify(report, null, 2) : reportText(report))
    yield* Console.error(`wmo: kept in ${directory}`)
    if (Option.isSome(markdown)) {
      const file = markdown.value
      yield* Effect.try({
        try: () => writeFileSync(file, reportMarkdown(report)),
        catch: (cause) => new Failure({ message: `--markdown: ${String(cause)}`, exitCode: ExitCode.failed })
      })
    }
    if (!report.rows.some(({ repeats }) => repeats > 0)) return yield* new ExitWith({ code: ExitCode.failed })
  },
  Effect.catchTag("VmError", ending)
)

/** Inside the guest only: it drops caches and empties the swap device. */
export const slots = Effect.fn("wmo lab slots")(function* (flags: SlotsFlags) {
  if (process.env["WMO_VM"] !== "1") return yield* unsupported("`wmo lab slots` runs inside a guest of `wmo lab league` only")
  const order = yield* Effect.try({
    try: () => JSON.parse(readFileSync(flags.order, "utf8")) as BootOrder,
    catch: (cause) => usageError(`${flags.order} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`)
  })
  yield* Effect.tryPromise({
    try: () => runSlots(ownCommand(), order, dirname(resolve(flags.order))),
    catch: (cause) => new Failure({ message: cause instanceof Error ? cause.message : String(cause), exitCode: ExitCode.failed })
  })
})
