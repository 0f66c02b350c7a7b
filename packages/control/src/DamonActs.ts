/**
 * Carries out what policies ask of DAMON: a kdamond of our own for one group, and the module that reclaims. Both through core's services, so that
 * whoever has DAMON keeps it, and all is put back at the end. Asked again with the same value nothing is written; with other processes, budgets or
 * schemes the running kdamond is told. Simplifies: a process that ends restarts monitoring (ages begin anew), one that comes does not.
 */
import {
  type Bytes,
  Cgroups,
  Damon,
  type DamonCommandError,
  type DamonInUse,
  DamonModules,
  type DamosFilter,
  ioMem,
  Journal,
  type JournalFailure,
  type Kdamond,
  KernelRoots,
  type KernelError,
  KernFs,
  makeKdamond,
  type OwnedDamon,
  Processes,
  systemRam
} from "@wmo/core"
import { groupProcesses } from "@wmo/monitors"
import { type Action, type DamonSetUp, type ReclaimModuleParameters, takesMemory } from "@wmo/policies"
import { Effect, Exit, Scope, Stream } from "effect"

export type DamonFailure = DamonCommandError | DamonInUse | JournalFailure | KernelError | NothingToWatch

/** There is nothing that a kdamond could watch. */
class NothingToWatch extends Error {
  readonly _tag = "NothingToWatch"
}

/** What came of it. */
export interface DamonResult {
  readonly detail?: string | undefined
  /** What schemes on physical memory, or the module, have taken since the last time this was asked. */
  readonly takenBytes: Bytes
}

export interface DamonActs {
  /** Puts schemes in force for a group, or takes them off. */
  readonly setSchemes: (group: string, setUp: DamonSetUp) => Effect.Effect<DamonResult, DamonFailure>
  readonly setModule: (parameters: ReclaimModuleParameters | "off") => Effect.Effect<DamonResult, DamonFailure>
  /** Whether something is in force that takes memory (of processes). */
  readonly isTaking: (of?: "processes") => boolean
  /** Takes off what takes memory; tells what that amounts to. */
  readonly stopTaking: Effect.Effect<ReadonlyArray<Action>>
}

export type DamonServices = Damon | DamonModules | Processes

/** The largest processes of a group that are watched. */
const processesAtMost = 64
const module = "damon_reclaim"

const text = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}` : part === Infinity ? "Infinity" : part))

/** Lets only pages of these groups through. One group: those that are not of it are rejected, which all kernels know; several are let in (6.14). */
const memcgFilters = (groups: ReadonlyArray<string>): ReadonlyArray<DamosFilter> =>
  groups.length === 1
    ? [{ type: "memcg", matching: false, memcgPath: `/${groups[0]!}` }]
    : groups.map((group) => ({ type: "memcg", matching: true, allow: true, memcgPath: `/${group}` }))

/** Ends with the scope: then everything is as it was. `takeOver`: stops whoever uses DAMON, until the end. */
export const makeDamonActs: (options: {
  readonly takeOver: boolean
}) => Effect.Effect<DamonActs, never, Cgroups | DamonServices | Journal | KernFs | Scope.Scope> = Effect.fnUntraced(function* ({
  takeOver
}) {
  const damon = yield* Damon
  const modules = yield* DamonModules
  const cgroups = yield* Cgroups
  const fs = yield* KernFs
  const { proc } = yield* KernelRoots
  const context = yield* Effect.context<Cgroups | Journal | Processes>()
  const whole = yield* Effect.scope

  let held: { readonly owned: OwnedDamon; readonly scope: Scope.Closeable } | undefined
  /** What the kdamond runs with. */
  let inForce: { readonly key: string; readonly kdamond: Kdamond; readonly setUp: DamonSetUp } | undefined
  let appliedBytes = 0n
  let moduleKey: string | undefined
  let moduleBytes = 0n

  const takeDown = Effect.gen(function* () {
    const { scope } = held ?? {}
    held = undefined
    inForce = undefined
    appliedBytes = 0n
    if (scope !== undefined) yield* Scope.close(scope, Exit.void)
  })

  const groupsOf = (group: string) => Stream.runCollect(cgroups.walk(group))

  /** The whole set-up for the group as it is now; processes that are watched already keep their places. */
  const resolve = Effect.fnUntraced(function* (group: string, { intervals, nrRegions, on, schemes }: DamonSetUp) {
    const name = cgroups.normalize(group)
    const groups = yield* groupsOf(name)
    if (on === "physical") {
      const regions = systemRam(yield* fs.decode(`${proc}/iomem`, ioMem)).map(({ end, start }) => ({ start, end: end + 1n }))
      if (regions.length === 0) return yield* Effect.fail(new NothingToWatch("/proc/iomem shows no addresses of memory: that takes root"))
      // Everything there is belongs to the root group: nothing is to be told apart.
      const filters = name === "" ? [] : memcgFilters(groups)
      return makeKdamond({
        operations: "paddr",
        regions,
        intervals,
        nrRegions,
        schemes: schemes.map((scheme) => (filters.length === 0 ? scheme : { ...scheme, filters: [...(scheme.filters ?? []), ...filters] }))
      })
    }
    const { processes } = yield* Effect.provideContext(groupProcesses(groups, processesAtMost), context)
    if (processes.length === 0) return yield* Effect.fail(new NothingToWatch(`${name || "/"} has no processes to watch`))
    const watched = inForce?.kdamond.contexts[0]?.targets.map(({ pid }) => pid) ?? []
    const found = processes.map(({ pid }) => pid)
    const pids = [
      ...watched.filter((pid) => found.includes(pid)),
      ...found.filter((pid) => !watched.includes(pid)).toSorted((a, b) => a - b)
    ]
    return makeKdamond({ pids, intervals, nrRegions, schemes })
  })

  /** Whether the targets that run keep their places, so that the kernel keeps what it knows of them. */
  const keepsTargets = (now: Kdamond): boolean => {
    const before = inForce?.kdamond.contexts[0]?.targets ?? []
    return before.every(({ pid }, i) => now.contexts[0]!.targets[i]?.pid === pid)
  }

  /** What schemes on physical memory took since the last look; of processes they count address space. */
  const takenSince = Effect.fnUntraced(function* (owned: OwnedDamon, setUp: DamonSetUp) {
    if (setUp.on === "processes") return 0
    const stats = yield* owned.updateStats()
    const applied = stats.reduce(
      (sum, { szApplied }, i) => (setUp.schemes[i] !== undefined && takesMemory(setUp.schemes[i]) ? sum + szApplied : sum),
      0n
    )
    const grown = applied < appliedBytes ? applied : applied - appliedBytes
    appliedBytes = applied
    return Number(grown)
  })

  const acquire = Effect.gen(function* () {
    const scope = yield* Scope.fork(whole)
    const owned = yield* Scope.provide(damon.acquire({ takeOver }), scope).pipe(
      Effect.provideContext(context),
      Effect.tapError(() => Scope.close(scope, Exit.void))
    )
    held = { owned, scope }
    return owned
  })

  const setSchemes = Effect.fnUntraced(function* (group: string, setUp: DamonSetUp) {
    if (setUp.schemes.length === 0) {
      const wasThere = held !== undefined
      yield* takeDown
      return { takenBytes: 0, ...(wasThere ? {} : { detail: "none were in force" }) } satisfies DamonResult
    }
    const wanted = yield* resolve(group, setUp)
    const key = text(wanted)
    const owned = held?.owned ?? (yield* acquire)
    const isOn = inForce !== undefined && (yield* owned.read()).state === "on"
    if (isOn && key === inForce?.key)
      return { takenBytes: yield* takenSince(owned, setUp), detail: "in force already" } satisfies DamonResult
    const takenBytes = isOn ? yield* takenSince(owned, setUp) : 0
    const canCommit = isOn && keepsTargets(wanted)
    if (isOn && !canCommit) yield* owned.stop()
    yield* owned.stage(wanted)
    if (canCommit) yield* owned.commit()
    else {
      appliedBytes = 0n
      yield* owned.start()
    }
    const targets = wanted.contexts[0]!.targets.length
    const what = setUp.on === "processes" ? `${targets} process${targets === 1 ? "" : "es"}` : "physical memory"
    const how = canCommit ? "changed" : inForce === undefined ? "set up" : "started anew"
    inForce = {
      key,
      kdamond: wanted,
      setUp: { on: setUp.on, intervals: setUp.intervals, nrRegions: setUp.nrRegions, schemes: setUp.schemes }
    }
    return { takenBytes, detail: `${how} for ${what}` } satisfies DamonResult
  })

  const moduleOff = Effect.gen(function* () {
    moduleKey = undefined
    moduleBytes = 0n
    yield* Effect.provideContext(modules.disable(module), context)
  })
  yield* Effect.addFinalizer(() => Effect.suspend(() => (moduleKey === undefined ? Effect.void : moduleOff)))

  const setModule = Effect.fnUntraced(function* (parameters: ReclaimModuleParameters | "off") {
    if (parameters === "off") {
      const wasOn = moduleKey !== undefined
      if (wasOn) yield* moduleOff
      return { takenBytes: 0, ...(wasOn ? {} : { detail: "it was not ours" }) } satisfies DamonResult
    }
    const key = text(parameters)
    const before = moduleKey === undefined ? undefined : yield* modules.read(module)
    const total = BigInt(before?.bytesReclaimedRegions ?? 0)
    const takenBytes = Number(total < moduleBytes ? total : total - moduleBytes)
    moduleBytes = total
    if (before?.enabled === true && key === moduleKey) return { takenBytes, detail: "in force already" } satisfies DamonResult
    yield* modules.enable(module, parameters, { takeOver }).pipe(Effect.provideContext(context))
    moduleKey = key
    const now = yield* modules.read(module)
    if (now?.enabled === true) return { takenBytes, detail: before === undefined ? "switched on" : "changed" } satisfies DamonResult
    yield* moduleOff
    return yield* Effect.fail(new NothingToWatch("the module has ended itself: its parameters do not fit each other"))
  })

  return {
    // What could not be put in force must not stay half way.
    setSchemes: (group, setUp) => Effect.tapError(setSchemes(group, setUp), () => takeDown),
    setModule,
    isTaking: (of) =>
      (inForce?.setUp.schemes.some(takesMemory) === true && (of === undefined || inForce.setUp.on === of)) ||
      (of === undefined && moduleKey !== undefined),
    stopTaking: Effect.gen(function* () {
      const off: Array<Action> = []
      if (inForce?.setUp.schemes.some(takesMemory) === true) {
        off.push({ _tag: "SetSchemes", ...inForce.setUp, schemes: [] })
        yield* takeDown
      }
      if (moduleKey !== undefined) {
        off.push({ _tag: "SetDamonModule", module, parameters: "off" })
        yield* moduleOff
      }
      return off
    })
  } satisfies DamonActs
})
