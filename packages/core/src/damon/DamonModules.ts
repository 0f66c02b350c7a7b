/**
 * DAMON's modules: reclaiming cold pages, sorting the LRU lists, statistics of idle memory. Their parameters, typed; switching them on and
 * changing them, through the journal. Sizes and addresses in bytes, times in the unit that the name says. Built-in only: they cannot be
 * loaded later. Source: Documentation/admin-guide/mm/damon/{reclaim,lru_sort,stat}.rst.
 */
import { Context, Effect, Layer } from "effect"
import type { Codec } from "../Codec.ts"
import { Journal, type JournalFailure } from "../Journal.ts"
import { type KernelError, KernFs } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { booleanFile } from "../Scalars.ts"
import { DamonInUse, type DamonModuleName } from "./DamonErrors.ts"
import { kdamondPid, signedFile, signedList, ulongFile, unsigned64File } from "./DamonFiles.ts"
import { damonPaths, findDamonUsers } from "./damonUsers.ts"
import { TreeFiles } from "./treeFiles.ts"

const monitoring = {
  enabled: booleanFile("enabled"),
  /** Y: a running module takes the other parameters; reads N again when it has. */
  commitInputs: booleanFile("commit_inputs"),
  wmarksIntervalUs: ulongFile("wmarks_interval"),
  /** The module works while free memory is between low and mid to high, in permil of all. */
  wmarksHighPermil: ulongFile("wmarks_high"),
  wmarksMidPermil: ulongFile("wmarks_mid"),
  wmarksLowPermil: ulongFile("wmarks_low"),
  sampleIntervalUs: ulongFile("sample_interval"),
  aggrIntervalUs: ulongFile("aggr_interval"),
  minNrRegions: ulongFile("min_nr_regions"),
  maxNrRegions: ulongFile("max_nr_regions"),
  /** Both 0: the largest range of System RAM. */
  monitorRegionStart: unsigned64File("monitor_region_start"),
  monitorRegionEnd: unsigned64File("monitor_region_end"),
  /** Since 6.18. */
  addrUnit: ulongFile("addr_unit"),
  autotuneMonitoringIntervals: booleanFile("autotune_monitoring_intervals"),
  quotaMs: ulongFile("quota_ms"),
  quotaResetIntervalMs: ulongFile("quota_reset_interval_ms"),
  kdamondPid: kdamondPid("kdamond_pid")
}

/** What each module has. Codecs by the name of the value; the file is the codec's. */
export const damonModuleFiles = {
  damon_reclaim: {
    ...monitoring,
    minAgeUs: ulongFile("min_age"),
    quotaBytes: ulongFile("quota_sz"),
    /** Stall of memory pressure, in microseconds per reset interval, that is aimed at; 0 is off (since 6.9). */
    quotaMemPressureUs: ulongFile("quota_mem_pressure_us"),
    /** How far a goal of the user's is met: 10,000 is just met; 0 is off (since 6.9). */
    quotaAutotuneFeedback: ulongFile("quota_autotune_feedback"),
    /** Since 6.3. */
    skipAnon: booleanFile("skip_anon"),
    nrTriedRegions: unsigned64File("nr_reclaim_tried_regions"),
    bytesTriedRegions: unsigned64File("bytes_reclaim_tried_regions"),
    nrReclaimedRegions: unsigned64File("nr_reclaimed_regions"),
    bytesReclaimedRegions: unsigned64File("bytes_reclaimed_regions"),
    nrQuotaExceeds: unsigned64File("nr_quota_exceeds")
  },
  damon_lru_sort: {
    ...monitoring,
    hotThresAccessFreqPermil: ulongFile("hot_thres_access_freq"),
    coldMinAgeUs: ulongFile("cold_min_age"),
    activeMemBp: ulongFile("active_mem_bp"),
    filterYoungPages: booleanFile("filter_young_pages"),
    nrTriedHotRegions: unsigned64File("nr_lru_sort_tried_hot_regions"),
    bytesTriedHotRegions: unsigned64File("bytes_lru_sort_tried_hot_regions"),
    nrSortedHotRegions: unsigned64File("nr_lru_sorted_hot_regions"),
    bytesSortedHotRegions: unsigned64File("bytes_lru_sorted_hot_regions"),
    nrHotQuotaExceeds: unsigned64File("nr_hot_quota_exceeds"),
    nrTriedColdRegions: unsigned64File("nr_lru_sort_tried_cold_regions"),
    bytesTriedColdRegions: unsigned64File("bytes_lru_sort_tried_cold_regions"),
    nrSortedColdRegions: unsigned64File("nr_lru_sorted_cold_regions"),
    bytesSortedColdRegions: unsigned64File("bytes_lru_sorted_cold_regions"),
    nrColdQuotaExceeds: unsigned64File("nr_cold_quota_exceeds")
  },
  damon_stat: {
    enabled: booleanFile("enabled"),
    /** Bytes a second that are used, as far as monitoring can tell (since 6.17). */
    estimatedMemoryBandwidth: unsigned64File("estimated_memory_bandwidth"),
    /**
     * For how long memory has been idle: percentiles 0 to 100, in milliseconds; negative for memory in use, by how long it has been
     * (since 6.18; before, 0). Since 6.17.
     */
    memoryIdleMsPercentiles: signedList("memory_idle_ms_percentiles"),
    /** Since 6.18. */
    aggrIntervalUs: signedFile("aggr_interval_us")
  }
} satisfies { readonly [M in DamonModuleName]: { readonly [name: string]: Codec<any> } }

/** The parameters of a module; undefined where the kernel has no such file. */
export type DamonModuleParameters<M extends DamonModuleName> = {
  readonly [K in keyof (typeof damonModuleFiles)[M]]?: (typeof damonModuleFiles)[M][K] extends Codec<infer A> ? A | undefined : never
}

const region = unsigned64File("monitor_region_*")

export interface DamonModuleOptions {
  /** Changes a module that somebody else has switched on; it gets its parameters back at the end. */
  readonly takeOver?: boolean
}

export class DamonModules extends Context.Service<
  DamonModules,
  {
    /** All parameters; undefined where the kernel has no such module. */
    readonly read: <M extends DamonModuleName>(module: M) => Effect.Effect<DamonModuleParameters<M> | undefined, KernelError>
    /** Absolute path of a parameter's file. */
    readonly parameterPath: <M extends DamonModuleName>(module: M, name: keyof (typeof damonModuleFiles)[M]) => string
    /**
     * Sets parameters and switches the module on, through the journal. One that runs is told to take them (`commit_inputs`), which it does
     * at its next look at the watermarks. DAMON that somebody else uses is left alone. A module that was given bad parameters ends itself
     * instead: see `enabled` afterwards.
     */
    readonly enable: <M extends DamonModuleName>(
      module: M,
      parameters?: Omit<DamonModuleParameters<M>, "enabled" | "commitInputs" | "kdamondPid">,
      options?: DamonModuleOptions
    ) => Effect.Effect<void, KernelError | JournalFailure | DamonInUse, Journal>
    /** Switches the module off, and puts its parameters back as they were before `enable`. */
    readonly disable: (module: DamonModuleName) => Effect.Effect<void, never, Journal>
  }
>()("@wmo/core/DamonModules") {
  static readonly layer: Layer.Layer<DamonModules, never, KernFs> = Layer.effect(
    DamonModules,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const paths = damonPaths(yield* KernelRoots)
      const tree = new TreeFiles(fs)
      const ours = new Set<DamonModuleName>()
      const filesOf = (module: DamonModuleName): { readonly [name: string]: Codec<any> } => damonModuleFiles[module]
      const parameterPath = (module: DamonModuleName, name: PropertyKey) => `${paths.module(module)}/${filesOf(module)[String(name)]!.file}`

      /** Has done what the module's own files do not undo: one that ran is told of its old parameters, and the range that the kernel fills in is taken out. */
      const remember = Effect.fnUntraced(function* (journal: Journal["Service"], module: DamonModuleName, wasOn: boolean) {
        const directory = paths.module(module)
        const filledIn: Array<readonly [string, string]> = []
        for (const path of [`${directory}/monitor_region_start`, `${directory}/monitor_region_end`]) {
          if (yield* fs.exists(path)) filledIn.push([path, String(yield* fs.decode(path, region))])
        }
        const commit: ReadonlyArray<readonly [string, string]> = [[`${directory}/commit_inputs`, "Y"]]
        const canCommit = yield* fs.exists(`${directory}/commit_inputs`)
        const writes = wasOn ? (canCommit ? commit : []) : filledIn
        yield* journal.replayLater({ path: directory, expects: [[`${directory}/enabled`, wasOn ? "Y" : "N"]], writes })
      })

      const enable = Effect.fn("DamonModules.enable")(function* (
        module: DamonModuleName,
        parameters: Readonly<Record<string, unknown>> = {},
        options?: DamonModuleOptions
      ) {
        const journal = yield* Journal
        const directory = paths.module(module)
        const isOn = yield* fs.decode(`${directory}/enabled`, monitoring.enabled)
        const isOurs = ours.has(module)
        // Kdamonds may run beside each other, but no module beside anything else.
        const inTheWay = (yield* findDamonUsers(fs, tree, paths)).filter((user) =>
          user.kind === "module" ? user.name !== module || !(isOurs || options?.takeOver === true) : user.state === "on"
        )
        if (inTheWay.length > 0) return yield* new DamonInUse({ users: inTheWay })
        yield* journal.claim(directory)
        const set = Effect.gen(function* () {
          if (!isOurs) yield* remember(journal, module, isOn)
          for (const [name, value] of Object.entries(parameters)) {
            const codec = filesOf(module)[name]
            if (codec !== undefined && value !== undefined) yield* journal.set(`${directory}/${codec.file}`, codec.encode(value).trim())
          }
          if (!isOn) yield* journal.set(`${directory}/enabled`, "Y")
          else if (yield* fs.exists(`${directory}/commit_inputs`)) yield* fs.writeBlocking(`${directory}/commit_inputs`, "Y")
          ours.add(module)
        })
        yield* isOurs ? set : Effect.tapError(set, () => journal.restoreBelow(directory))
      })

      return DamonModules.of({
        parameterPath,
        read: Effect.fn("DamonModules.read")(function* (module: DamonModuleName) {
          const directory = paths.module(module)
          if (!(yield* fs.exists(directory))) return undefined
          const value: Record<string, unknown> = {}
          for (const [name, codec] of Object.entries(filesOf(module))) {
            if ((yield* tree.has(`${directory}/${codec.file}`)) !== true) continue
            const read = yield* fs.decode(`${directory}/${codec.file}`, codec)
            if (read !== undefined) value[name] = read
          }
          return value as any
        }),
        enable: enable as DamonModules["Service"]["enable"],
        disable: Effect.fn("DamonModules.disable")(function* (module: DamonModuleName) {
          yield* (yield* Journal).restoreBelow(paths.module(module))
          ours.delete(module)
        })
      })
    })
  )
}
