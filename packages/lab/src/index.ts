export { type CompileOptions, type CompileResult, runCompile } from "./workloads/compile.ts"
export { type HotColdOptions, type HotColdResult, runHotCold } from "./workloads/hotcold.ts"
export { type PatternOptions, type PatternPart, type PatternPlaces, type PatternResult, runPattern } from "./workloads/pattern.ts"
export {
  burstsPlan,
  minAge1Plan,
  minAge2Plan,
  type PhasedOptions,
  type PhasedPlan,
  type PhasedResult,
  runPhased
} from "./workloads/phased.ts"
export { type RedisOptions, type RedisResult, runRedis } from "./workloads/redis.ts"
export * from "./vm/index.ts"
export * from "./compare/index.ts"
export * from "./league/index.ts"
export { type DataName, dataNames } from "./workloads/memory/content.ts"
export type { PhaseLatency, PhaseName } from "./workloads/memory/Meter.ts"
export {
  anonStreamer,
  interactiveBurst,
  type MemoryPlan,
  type MemoryWorkloadName,
  memoryWorkloadNames,
  mmapChurn,
  randomTouchHeap
} from "./workloads/memory/plans.ts"
export {
  type ArenaPart,
  type MemoryPlaces,
  type MemoryWorkloadHooks,
  type MemoryWorkloadOptions,
  type MemoryWorkloadResult,
  runMemoryWorkload
} from "./workloads/memory/runMemoryWorkload.ts"
export {
  type ArenaBench,
  arenaBenchMs,
  type ArenaBenchOptions,
  type ArenaBenchRow,
  arenaBenchRow,
  arenaBenchRuns,
  onManagedArena,
  runArenaBench
} from "./arenaBench/arenaBench.ts"
export { advisedRun } from "./arenaBench/advisedRun.ts"
export { arenaBenchNotes, arenaBenchTable } from "./arenaBench/arenaBenchTable.ts"
export { type Watched, watchedRun, WatchedRunFailed } from "./arenaBench/watchedRun.ts"
export { type CodecRow, codecTable, fairestCodec, sweepCodecs } from "./arenaBench/codecSweep.ts"
