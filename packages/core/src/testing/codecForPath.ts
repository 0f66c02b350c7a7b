/** Which codec reads which pseudo-file, by path: for decoding a captured tree whole. */
import type { Codec } from "../Codec.ts"
import { lruGen, lruGenEnabled } from "../LruGen.ts"
import { lruGenFull } from "../LruGenFull.ts"
import { memoryNumaStat } from "../Memcg.ts"
import { countersFile, memoryStat } from "../MemoryStat.ts"
import { pressureStall } from "../PressureStall.ts"
import { memInfo, mountInfo, processCgroups, processIds, swaps, wordList } from "../Proc.ts"
import { booleanFile, bytesFile, limitFile, wordFile } from "../Scalars.ts"
import { damonFiles } from "./paths.damon.ts"
import { groupFiles } from "./paths.groups.ts"
import { processFiles } from "./paths.processes.ts"
import { memcgPageAge, nodePageAge, pageAgeIntervals, refreshIntervals } from "../WorkingSetReport.ts"

/** A pattern of paths, and the codec of the file whose name it gets. */
export type PathCodec = readonly [pattern: RegExp, codec: (name: string) => Codec<any>]

const table: ReadonlyArray<PathCodec> = [
  [/\/memory\.(?:current|peak|swap\.current|swap\.peak|zswap\.current|oom\.group|zswap\.writeback)$/, bytesFile],
  [/\/memory\.(?:(?:swap|zswap)\.)?(?:min|low|high|max)$/, limitFile],
  [/\/memory\.stat$/, () => memoryStat],
  [/\/memory\.numa_stat$/, () => memoryNumaStat],
  [/\/(?:memory\.(?:swap\.)?events(?:\.local)?|cgroup\.(?:events|stat))$/, countersFile],
  [/\/(?:cpu|io|irq|memory)\.pressure$|\/pressure\/(?:cpu|io|irq|memory)$/, () => pressureStall],
  [/\/cgroup\.(?:controllers|subtree_control)$/, wordList],
  [/\/cgroup\.procs$/, () => processIds],
  [/\/memory\.workingset\.page_age$/, () => memcgPageAge],
  [/\/memory\.workingset\.refresh_interval$/, () => refreshIntervals],
  [/\/workingset_report\/page_age$/, () => nodePageAge],
  [/\/workingset_report\/page_age_intervals$/, () => pageAgeIntervals],
  [/\/lru_gen$/, () => lruGen],
  [/\/lru_gen_full$/, () => lruGenFull],
  [/\/lru_gen\/enabled$/, () => lruGenEnabled],
  [/\/lru_gen\/min_ttl_ms$/, bytesFile],
  [
    /\/zswap\/parameters\/(?:enabled|shrinker_enabled|same_filled_pages_enabled|non_same_filled_pages_enabled|exclusive_loads)$/,
    booleanFile
  ],
  [/\/zswap\/parameters\/(?:compressor|zpool)$/, wordFile],
  [/\/zswap\/parameters\/(?:max_pool_percent|accept_threshold_percent)$/, bytesFile],
  [/\/debug\/zswap\/[a-z_]+$/, bytesFile],
  [/\/meminfo$/, () => memInfo],
  [/\/vmstat$/, countersFile],
  [/\/swaps$/, () => swaps],
  [/\/self\/mountinfo$/, () => mountInfo],
  [/\/self\/cgroup$/, () => processCgroups],
  [/\/osrelease$/, wordFile],
  ...damonFiles,
  ...groupFiles,
  ...processFiles
]

/** The codec of the file at `path`; undefined for files that this library does not read. */
export const codecForPath = (path: string): Codec<any> | undefined =>
  table.find(([pattern]) => pattern.test(path))?.[1](path.slice(path.lastIndexOf("/") + 1))
