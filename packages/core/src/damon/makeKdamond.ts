/**
 * Values of the DAMON tree from the few things that matter; the rest as the kernel has it, but for the access pattern of a scheme,
 * which matches everything here (the kernel's default matches nothing).
 */
import type { DamonContext, DamonIntervals, DamonRegion, DamosScheme, Kdamond } from "./DamonTree.ts"

/** Sampling every 5 ms, aggregating every 100 ms, looking for new mappings every minute: what the kernel begins with. */
export const defaultIntervals: DamonIntervals = { sampleUs: 5000, aggrUs: 100_000, updateUs: 60_000_000 }

/** Parts of a scheme; a part that is given replaces that part whole, but for its own parts that are ranges or numbers left out. */
export interface SchemeOptions extends Partial<Omit<DamosScheme, "pattern" | "quotas" | "watermarks">> {
  readonly pattern?: Partial<DamosScheme["pattern"]>
  readonly quotas?: Partial<DamosScheme["quotas"]>
  readonly watermarks?: Partial<DamosScheme["watermarks"]>
}

/** A scheme that counts all regions, changed by what is given. */
export const makeScheme = ({ pattern, quotas, watermarks, ...others }: SchemeOptions = {}): DamosScheme => ({
  action: "stat",
  ...others,
  pattern: { sz: { min: 0, max: Infinity }, nrAccesses: { min: 0, max: Infinity }, age: { min: 0, max: Infinity }, ...pattern },
  quotas: { ms: 0, bytes: 0, resetIntervalMs: 0, weights: { szPermil: 0, nrAccessesPermil: 0, agePermil: 0 }, ...quotas },
  watermarks: { metric: "none", intervalUs: 0, high: 0, mid: 0, low: 0, ...watermarks }
})

export interface ContextOptions extends Partial<Omit<DamonContext, "intervals" | "targets">> {
  readonly intervals?: Partial<DamonIntervals>
  /** Processes to monitor: their virtual memory. */
  readonly pids?: ReadonlyArray<number>
  /** Physical memory to monitor; with `pids`, the ranges within each of them. */
  readonly regions?: ReadonlyArray<DamonRegion>
  /** Instead of `pids` and `regions`. */
  readonly targets?: DamonContext["targets"]
}

/** A kdamond with one context: of processes (`pids`), or else of physical memory (`regions`). Without schemes it has one that counts. */
export const makeKdamond = ({ intervals, pids, regions = [], ...others }: ContextOptions): Kdamond => ({
  contexts: [
    {
      operations: pids === undefined ? "paddr" : regions.length > 0 ? "fvaddr" : "vaddr",
      nrRegions: { min: 10, max: 1000 },
      targets: pids === undefined ? [{ pid: 0, regions }] : pids.map((pid) => ({ pid, regions })),
      schemes: [makeScheme()],
      ...others,
      intervals: { ...defaultIntervals, ...intervals }
    }
  ]
})

/** What is wrong with a tree, which the kernel answers with a bare EINVAL, in sentences. Empty when nothing is known to be. */
export const problemsOf = ({ contexts }: Kdamond): ReadonlyArray<string> => {
  if (contexts.length !== 1) return [`a kdamond runs one context, not ${contexts.length}`]
  const { intervals, nrRegions, operations, targets } = contexts[0]!
  const problems: Array<string> = []
  const say = (isWrong: boolean, problem: string) => (isWrong ? problems.push(problem) : undefined)
  say(
    intervals.sampleUs > intervals.aggrUs,
    `it aggregates every ${intervals.aggrUs} µs, more often than it samples (${intervals.sampleUs} µs)`
  )
  say(nrRegions.min < 3, `at least 3 regions are needed, not ${nrRegions.min}`)
  say(nrRegions.min > nrRegions.max, `at least ${nrRegions.min} regions, but at most ${nrRegions.max}`)
  say(operations === "paddr" && targets.length > 1, "physical memory is one target")
  targets.forEach(({ pid, regions }, i) => {
    say(operations !== "paddr" && pid <= 0, `target ${i} has no process`)
    regions.forEach(({ end, start }, r) => {
      say(start >= end, `region ${r} of target ${i} holds nothing: it starts at ${start} and ends at ${end}`)
      say(r > 0 && regions[r - 1]!.end > start, `region ${r} of target ${i} begins before the one ahead of it ends`)
    })
  })
  return problems
}
