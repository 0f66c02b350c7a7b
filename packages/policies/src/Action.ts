/**
 * What a policy may ask for: data, carried out (or refused) by control's actuator. Amounts are bytes.
 */
import {
  ageUs,
  type Bytes,
  type DamonContext,
  type DamonIntervals,
  type DamonModuleParameters,
  type DamosScheme,
  formatBytes,
  formatDuration,
  type Limit,
  type Milliseconds
} from "@wmo/core"

/** What a kdamond is to do for a group. Which addresses that is, and the filters that keep it to the group, the actuator adds. */
export interface DamonSetUp {
  /** `physical`: physical memory, filtered to the group's pages; `processes`: the virtual memory of the group's processes, as they come and go. */
  readonly on: "physical" | "processes"
  readonly intervals: DamonIntervals
  readonly nrRegions: DamonContext["nrRegions"]
  /** None: the kdamond is taken down. */
  readonly schemes: ReadonlyArray<DamosScheme>
}

/** Parameters of the module that reclaims, which works on the whole machine. */
export type ReclaimModuleParameters = Omit<
  DamonModuleParameters<"damon_reclaim">,
  "enabled" | "commitInputs" | "kdamondPid" | "monitorRegionStart" | "monitorRegionEnd"
>

export type Action =
  /** Reclaim this much now (`memory.reclaim`). */
  | { readonly _tag: "Reclaim"; readonly bytes: Bytes; readonly swappiness?: number | "max" | undefined }
  /** Set the throttle limit (`memory.high`); it is put back at the end. */
  | { readonly _tag: "SetHigh"; readonly limit: Limit }
  /** Create a new MGLRU generation, so that what is used from now on can be told from what is not. */
  | { readonly _tag: "Age" }
  /**
   * Evict whole MGLRU generations (`lru_gen`), oldest first: those of which everything has been idle for at least `olderThanMs`, at most
   * `bytes` of them. Unlike `Reclaim` it never reaches younger memory. Swappiness 0 takes file pages only, 200 prefers anon as far as it can.
   */
  | { readonly _tag: "Evict"; readonly olderThanMs: Milliseconds; readonly bytes: Bytes; readonly swappiness?: number | undefined }
  /**
   * Have a kdamond of our own work by these schemes from now on; it is taken down at the end. Asked again with the same value it stays as it is.
   * Refused where somebody else uses DAMON.
   */
  | ({ readonly _tag: "SetSchemes" } & DamonSetUp)
  /** Switch a module of DAMON's on with these parameters, or off; it is put back at the end. It works on the whole machine. */
  | { readonly _tag: "SetDamonModule"; readonly module: "damon_reclaim"; readonly parameters: ReclaimModuleParameters | "off" }

/** An action in a few words, for people. */
export const describeAction = (action: Action): string => {
  switch (action._tag) {
    case "Reclaim":
      return `reclaim ${formatBytes(action.bytes)}`
    case "SetHigh":
      return `set memory.high to ${action.limit === "max" ? "max" : formatBytes(action.limit)}`
    case "Age":
      return "age the generations"
    case "Evict":
      return `evict up to ${formatBytes(action.bytes)} idle ≥ ${formatDuration(action.olderThanMs)}`
    case "SetSchemes": {
      if (action.schemes.length === 0) return "take DAMON's schemes off"
      const what = action.on === "physical" ? "physical memory" : "processes"
      return `DAMON on the group's ${what}: ${action.schemes.map((scheme) => describeScheme(scheme, action.intervals)).join(", ")}`
    }
    case "SetDamonModule": {
      const { module, parameters } = action
      if (parameters === "off") return `switch ${module} off`
      const age = parameters.minAgeUs === undefined ? "" : ` with idle ≥ ${formatDuration(parameters.minAgeUs / 1000)}`
      return `switch ${module} on${age}`
    }
  }
}

const describeScheme = ({ action, pattern, quotas }: DamosScheme, intervals: DamonIntervals): string => {
  const age = pattern.age.min > 0 ? ` of ${formatDuration(ageUs(pattern.age.min, intervals) / 1000)} and older` : ""
  const limit = quotas.bytes > 0 ? ` at most ${formatBytes(quotas.bytes)} in ${formatDuration(quotas.resetIntervalMs)}` : ""
  return `${action}${age}${limit}`
}

/** Whether a scheme takes memory away, which floors and budgets are about. */
export const takesMemory = ({ action }: DamosScheme): boolean => action === "pageout" || action === "cold" || action === "migrate_cold"

/** As JSON: no limit is `"Infinity"`, addresses are decimal strings. */
export const printAction = (action: Action): string =>
  JSON.stringify(action, (_, value: unknown) => (value === Infinity ? "Infinity" : typeof value === "bigint" ? value.toString() : value))

/** What {@link printAction} wrote. Text that somebody else wrote is taken for what it says: it is for showing, never carried out. */
export const parseAction = (text: string): Action =>
  JSON.parse(text, (_, value: unknown) => (value === "Infinity" ? Infinity : value)) as Action
