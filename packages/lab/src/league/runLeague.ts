/**
 * Plays a league: boots guest after guest, each with its share of the sets, and leaves what came of it in a directory. A guest that dies loses
 * only the set it was in: it is tried once more, and `runLeague` on the same directory goes on where it stopped. Where two guests in a row do not get
 * as far as a slot, no other will. Reads no results.
 */
import type { Milliseconds } from "@wmo/core"
import { Effect, type Scope } from "effect"
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Writable } from "node:stream"
import { writeWhole } from "../vm/VmCache.ts"
import { type VmError, vmError } from "../vm/VmError.ts"
import { defaultVmOptions } from "../vm/VmOptions.ts"
import { vmRun } from "../vm/VmRun.ts"
import { bootTimeoutMs, estimateMs, slotTimeoutMs } from "./estimate.ts"
import { lockLeague } from "./leagueLock.ts"
import { openSets } from "./outcomes.ts"
import { type BootOrder, type LeaguePlan, planFile, readPlan, resultFile } from "./plan.ts"
import { makeBoots, makeSchedule, type PairedSet } from "./schedule.ts"
import { workloadWords } from "./workloads.ts"

export interface LeagueProgress {
  /** Before anything is booted. */
  readonly onStart: (slots: number, done: number, estimatedMs: Milliseconds) => void
  readonly onSlot: (id: string) => void
  /** A guest that died, and whether its sets are tried again. */
  readonly onDeath: (why: string, again: boolean) => void
}

export interface LeagueRun {
  readonly plan: LeaguePlan
  readonly directory: string
  /** How this program is started, without its arguments. */
  readonly wmo: ReadonlyArray<string>
  /** No guest is booted once this much time has passed; undefined: until all is played. */
  readonly stopAfterMs?: Milliseconds | undefined
  readonly progress: LeagueProgress
  /** Plays the order that is in a file in one guest and tells of its slots; succeeds with why it died, or undefined. Default: a VM. Tests bring their own. */
  readonly guest?:
    | ((order: BootOrder, file: string, onSlot: (id: string) => void) => Effect.Effect<string | undefined, VmError>)
    | undefined
}

export const scheduleOf = (plan: LeaguePlan): ReadonlyArray<PairedSet> => makeSchedule(plan.workloads, plan.entries, plan.repeats)

/** Whether there is anything left to play. */
export const isOpen = (directory: string, plan: LeaguePlan): boolean => openSets(directory, scheduleOf(plan)).length > 0

const onOut = <A>(directory: string, what: () => A): Effect.Effect<A, VmError> =>
  Effect.try({
    try: what,
    catch: (cause) => vmError("Usage", `--out ${directory}: ${cause instanceof Error ? cause.message : String(cause)}`)
  })

/** Makes the directory of a new league. Fails where there is something in it already. */
export const startLeague = (directory: string, plan: LeaguePlan): Effect.Effect<void, VmError> =>
  Effect.gen(function* () {
    const names = yield* onOut(directory, () => {
      mkdirSync(directory, { recursive: true })
      return readdirSync(directory)
    })
    if (names.length > 0) {
      const hint = existsSync(planFile(directory)) ? `go on with it by --resume ${directory}` : "give an empty or a new one"
      return yield* vmError("Usage", `--out ${directory} is not empty: ${hint}`)
    }
    // Not over that of another who found it empty, too.
    yield* onOut(directory, () => writeFileSync(planFile(directory), JSON.stringify(plan, null, 2), { flag: "wx" }))
  })

/** The plan of a league that was started. */
export const resumeLeague = (directory: string): Effect.Effect<LeaguePlan, VmError> =>
  Effect.try({
    try: () => readPlan(directory),
    catch: (cause) => vmError("Usage", cause instanceof Error ? cause.message : String(cause))
  }).pipe(
    Effect.filterOrFail(
      (plan) => plan !== undefined,
      () => vmError("Usage", `--resume ${directory}: there is no league (no league.json); start one with --out ${directory}`)
    )
  )

const orderOf = (sets: ReadonlyArray<PairedSet>, plan: LeaguePlan): BootOrder => ({
  slotTimeoutMs: slotTimeoutMs(plan),
  slots: sets.flatMap((set) =>
    set.slots.map(({ entry, id }) => ({
      id,
      policy: entry.policy,
      settings: entry.settings,
      workload: workloadWords(set.workload, plan.durationMs)
    }))
  )
})

/** Tells of the lines `slot ID` that the guest says; keeps the last other ones. */
const listen = (onSlot: (id: string) => void) => {
  let rest = ""
  const other: Array<string> = []
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      const lines = (rest + piece.toString()).split("\n")
      rest = lines.pop()!
      for (const line of lines) {
        if (line.startsWith("slot ")) onSlot(line.slice(5))
        else if (line.trim() !== "") {
          other.push(line)
          if (other.length > 5) other.shift()
        }
      }
      done()
    }
  })
  return { stream, said: () => [...other, rest].findLast((line) => line.trim() !== "") }
}

const nowhere = (): Writable => new Writable({ write: (_piece, _encoding, done) => done() })

/** A VM. Fails only where no guest could ever run. */
const playInVm = Effect.fnUntraced(function* (run: LeagueRun, order: BootOrder, file: string, onSlot: (id: string) => void) {
  const { directory, plan, wmo } = run
  const heard = listen(onSlot)
  const options = {
    ...defaultVmOptions,
    memory: plan.memory,
    cpus: plan.cpus,
    icount: plan.icount ?? undefined,
    kernelSeries: plan.kernelSeries ?? undefined,
    out: directory,
    timeout: bootTimeoutMs(order.slots.length, plan)
  }
  return yield* vmRun([...wmo, "lab", "slots", file], options, { stdin: undefined, stdout: nowhere(), stderr: heard.stream }).pipe(
    Effect.map(({ exitCode }) => (exitCode === 0 ? undefined : `exit code ${exitCode}: ${heard.said() ?? "it said nothing"}`)),
    Effect.catchIf(
      ({ reason }) => ["Boot", "Hang", "Panic", "OutOfMemory", "Timeout", "GuestDied"].includes(reason),
      (error) => Effect.succeed(error.message)
    )
  )
})

/** What earlier guests had of these sets is removed first: the slots of a set are of one guest. */
const playBoot = Effect.fnUntraced(function* (
  run: LeagueRun,
  number: number,
  sets: ReadonlyArray<PairedSet>,
  onSlot: (id: string) => void
) {
  const order = orderOf(sets, run.plan)
  const file = join(run.directory, `boot-${number}.json`)
  yield* Effect.sync(() => {
    for (const { id } of order.slots) rmSync(resultFile(run.directory, id), { force: true })
    writeWhole(file, JSON.stringify(order))
  })
  return yield* (run.guest ?? ((...args) => playInVm(run, ...args)))(order, file, onSlot)
})

const mostSilent = 2

/** Plays what has not been played yet. Succeeds also where sets are missing in the end: the table says so. */
export const runLeague = Effect.fn("League.run")(function* (run: LeagueRun): Effect.fn.Return<void, VmError, Scope.Scope> {
  const { directory, plan, progress } = run
  const began = performance.now()
  const sets = scheduleOf(plan)
  if (isOpen(directory, plan)) yield* lockLeague(directory)
  const open = openSets(directory, sets)
  const count = (of: ReadonlyArray<PairedSet>) => of.reduce((sum, { slots }) => sum + slots.length, 0)
  progress.onStart(count(sets), count(sets) - count(open), estimateMs(makeBoots(open, plan.slotsPerBoot), plan))
  let queue = makeBoots(open, plan.slotsPerBoot)
  const tried = new Set<string>()
  /** Guests in a row that played nothing. */
  let silent = 0
  for (let number = readdirSync(directory).filter((name) => /^boot-\d+\.json$/.test(name)).length + 1; queue.length > 0; number++) {
    if (run.stopAfterMs !== undefined && performance.now() - began > run.stopAfterMs) return
    const [boot, ...others] = queue
    silent++
    const why = yield* playBoot(run, number, boot!, (id) => {
      silent = 0
      progress.onSlot(id)
    })
    const left = openSets(directory, boot!)
    queue = others
    if (left.length === 0) continue
    if (silent === mostSilent) {
      const hint = `when that is mended, go on with --resume ${directory}`
      return yield* vmError("Boot", `${mostSilent} guests in a row did not get as far as a slot (${why ?? "without a word"}): ${hint}`)
    }
    // The first of them is the one the guest died in.
    const isSecond = tried.has(left[0]!.id)
    tried.add(left[0]!.id)
    const again = isSecond ? left.slice(1) : left
    progress.onDeath(why ?? "it left slots unplayed", !isSecond)
    if (again.length > 0) queue = [again, ...others]
  }
}, Effect.scoped)
