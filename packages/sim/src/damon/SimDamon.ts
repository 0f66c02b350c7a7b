/**
 * DAMON of the simulator: the engine behind core's fake DAMON files. Kdamonds of the sysfs tree, the DAMON_RECLAIM module, tracepoints.
 * Simplified: the modules lru_sort and stat can be switched on, and do nothing. See Kdamond for what monitoring is.
 */
import type { DamonContext, DamonTracepoint, Microseconds } from "@wmo/core"
import type { DamonEngine, DamonTraceReader } from "@wmo/core/testing"
import { AccessObserver } from "../AccessObserver.ts"
import { Frames, firstFrame } from "../Frames.ts"
import type { MachineState } from "../MachineState.ts"
import type { MemoryGroup } from "../MemoryGroup.ts"
import { Random } from "../Random.ts"
import type { RunningWorkload } from "../RunningWorkload.ts"
import { type AddressSpace, foreignSpace, physicalSpace, processSpace } from "./AddressSpace.ts"
import { Kdamond } from "./Kdamond.ts"
import { reclaimContext } from "./reclaimModule.ts"
import type { Region } from "./Region.ts"

export interface SimDamonOptions {
  readonly machine: MachineState
  readonly seed: number
  readonly processOf: (pid: number) => RunningWorkload | undefined
  /** Whether a process that is none of the simulation's is alive. */
  readonly isForeign: (pid: number) => boolean
}

interface Named {
  readonly name: string
  readonly pid: number
  readonly kdamond: Kdamond
}

export class SimDamon implements DamonEngine {
  private readonly options: SimDamonOptions
  private readonly kdamonds = new Map<number, Named>()
  private module: Named | undefined
  private readonly readers = new Set<DamonTraceReader>()
  private readonly idle = new Map<MemoryGroup, AccessObserver>()
  /** The one of the last look-up: neighbours are of one group, mostly. */
  private last: { readonly group: MemoryGroup; readonly observer: AccessObserver } | undefined
  private started = 0
  private stoppedUs: Microseconds = 0

  constructor(options: SimDamonOptions) {
    this.options = options
  }

  /** CPU time of all kdamonds so far. */
  get cpuUs(): Microseconds {
    return this.all().reduce((sum, { kdamond }) => sum + kdamond.cpuUs, this.stoppedUs)
  }

  /** Regions that are monitored now, by target, for tests and pictures. */
  regions(kdamond: number): ReadonlyArray<ReadonlyArray<Region>> {
    return this.of(kdamond).kdamond.targets.map(({ regions }) => regions)
  }

  readonly start = (index: number, pid: number, context: DamonContext): void => {
    this.kdamonds.set(index, this.make(`kdamond.${index}`, pid, context))
  }

  readonly commit = (index: number, context: DamonContext): void => this.of(index).kdamond.commit(context)

  readonly commitGoals = (index: number, context: DamonContext): void => this.of(index).kdamond.commitGoals(context)

  readonly stop = (index: number): void => {
    this.end(this.kdamonds.get(index))
    this.kdamonds.delete(index)
    this.forgetIdle()
  }

  readonly isRunning = (index: number): boolean => this.kdamonds.get(index)?.kdamond.isRunning === true

  readonly intervals = (index: number) => this.of(index).kdamond.intervals

  readonly stats = (index: number, scheme: number) => {
    const { nrApplied, nrTried, qtExceeds, szApplied, szTried } = this.of(index).kdamond.schemes[scheme]!.stats
    return {
      nrTried: BigInt(nrTried),
      szTried: BigInt(szTried),
      nrApplied: BigInt(nrApplied),
      szApplied: BigInt(szApplied),
      qtExceeds: BigInt(qtExceeds)
    }
  }

  readonly effectiveBytes = (index: number, scheme: number): number => {
    const { effectiveBytes } = this.of(index).kdamond.schemes[scheme]!
    return Number.isFinite(effectiveBytes) ? effectiveBytes : Number.MAX_SAFE_INTEGER
  }

  readonly tryOnce = (index: number) => {
    const { kdamond } = this.of(index)
    kdamond.wantsTried = true
    for (const scheme of kdamond.schemes) scheme.tried = []
    while (kdamond.wantsTried && kdamond.isRunning && kdamond.isAwake) this.options.machine.options.waitFor(kdamond.intervals.sampleUs)
    kdamond.wantsTried = false
    return kdamond.schemes.map(({ tried }) => tried)
  }

  readonly startModule = (module: string, pid: number, parameters: ReadonlyMap<string, string>): void => {
    if (module === "damon_reclaim") this.module = this.make("kdamond.0", pid, reclaimContext(parameters))
  }

  readonly commitModule = (module: string, parameters: ReadonlyMap<string, string>): void => {
    if (module === "damon_reclaim") this.module?.kdamond.commit(reclaimContext(parameters))
  }

  readonly stopModule = (): void => {
    this.end(this.module)
    this.module = undefined
    this.forgetIdle()
  }

  readonly moduleOutput = (module: string, file: string): string | undefined => {
    const stats = this.module?.kdamond.schemes[0]?.stats
    if (module !== "damon_reclaim" || stats === undefined) return undefined
    const values: Readonly<Record<string, number>> = {
      nr_reclaim_tried_regions: stats.nrTried,
      bytes_reclaim_tried_regions: stats.szTried,
      nr_reclaimed_regions: stats.nrApplied,
      bytes_reclaimed_regions: stats.szApplied,
      nr_quota_exceeds: stats.qtExceeds
    }
    return values[file] === undefined ? undefined : String(values[file])
  }

  readonly systemRam = () => ({ start: firstFrame * 4096, end: firstFrame * 4096 + this.options.machine.memTotalBytes - 1 })

  readonly addTraceReader = (reader: DamonTraceReader): void => void this.readers.add(reader)

  readonly removeTraceReader = (reader: DamonTraceReader): void => void this.readers.delete(reader)

  private all(): ReadonlyArray<Named> {
    return [...this.kdamonds.values(), ...(this.module === undefined ? [] : [this.module])]
  }

  private of(index: number): Named {
    const named = this.kdamonds.get(index)
    if (named === undefined) throw new Error(`kdamond ${index} does not run`)
    return named
  }

  private make(name: string, pid: number, context: DamonContext): Named {
    const { machine, seed } = this.options
    const kdamond = new Kdamond(context, {
      machine,
      random: Random.stream(seed, `kdamond ${this.started++}`),
      idleOf: (group) => this.idleOf(group),
      spaceOf: ({ operations }, target) => this.spaceOf(operations, target),
      freeShare: () => machine.availableBytes() / machine.memTotalBytes,
      events: {
        aggregated: ({ targets }) =>
          this.tell("damon_aggregated", named, () =>
            targets.flatMap(({ regions }, target) =>
              regions.map(
                ({ age, end, nrAccesses, start }) =>
                  `target_id=${target} nr_regions=${regions.length} ${start}-${end}: ${nrAccesses} ${age}`
              )
            )
          ),
        applying: ({ targets }, scheme, target, { age, end, nrAccesses, start }) =>
          this.tell("damos_before_apply", named, () => [
            `ctx_idx=0 scheme_idx=${scheme} target_idx=${target} nr_regions=${targets[target]!.regions.length} ${start}-${end}: ${nrAccesses} ${age}`
          ])
      }
    })
    const named: Named = { name, pid, kdamond }
    return named
  }

  private end(named: Named | undefined): void {
    if (named === undefined) return
    named.kdamond.stop()
    this.stoppedUs += named.kdamond.cpuUs
  }

  private spaceOf(operations: string, pid: number): AddressSpace {
    const { machine } = this.options
    if (operations === "paddr") {
      machine.frames ??= new Frames(machine.memTotalBytes, machine.groups.values())
      return physicalSpace(machine.frames)
    }
    const process = this.options.processOf(pid)
    return process === undefined ? foreignSpace(() => this.options.isForeign(pid)) : processSpace(process)
  }

  private idleOf(group: MemoryGroup): AccessObserver {
    if (group === this.last?.group) return this.last.observer
    const observer = this.idle.get(group) ?? new AccessObserver(group.pages, { isAccessedAtFirst: true, hasLists: false })
    this.idle.set(group, observer)
    this.last = { group, observer }
    return observer
  }

  /** Nobody looks at idle flags any more. */
  private forgetIdle(): void {
    if (this.all().length > 0) return
    for (const observer of this.idle.values()) observer.close()
    this.idle.clear()
    this.last = undefined
  }

  private tell(tracepoint: DamonTracepoint, { name, pid }: Named, events: () => ReadonlyArray<string>): void {
    if (this.readers.size === 0) return
    const readers = [...this.readers].filter(({ wants }) => wants(tracepoint))
    if (readers.length === 0) return
    const origin = `${`${name}-${pid}`.padStart(23)} [001] .....  ${(this.options.machine.nowUs / 1e6).toFixed(6)}: ${tracepoint}: `
    for (const event of events()) for (const { take } of readers) take(`${origin}${event}\n`)
  }
}
