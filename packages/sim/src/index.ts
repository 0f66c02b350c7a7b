/**
 * `@wmo/sim`: a Linux memory manager that fits in a process, behind the same files that `@wmo/core` reads.
 * Pages, generations, reclaim, zswap, faults, throttling and pressure in virtual time, deterministic by seed.
 */
export { AccessObserver, type AccessObserverOptions, type Accesses } from "./AccessObserver.ts"
export type { OffloadTotals } from "./Offload.ts"
export { Simulation } from "./Simulation.ts"
export type { Outcome, SimulationOptions } from "./SimulationOptions.ts"
export * as SimClock from "./SimClock.ts"
export type { Free, PageRange, Shared, Sleep, Start, Step, TaskContext, TaskProgram, Touch, TouchList, Wait, Workload } from "./Workload.ts"
export { hotcold, type HotcoldOptions } from "./workloads/hotcold.ts"
export { constantCost, type Costs, defaultCosts, type Spread } from "./Costs.ts"
export { type Compressibility, defaultCompressibility, incompressible, programContent, sizeClass } from "./Compressibility.ts"
export type { LatencyPercentiles } from "./LatencyHistogram.ts"
export { MemoryGroup, type PageCensus } from "./MemoryGroup.ts"
export type { ZswapSettings } from "./MachineState.ts"
export { Random } from "./Random.ts"
export { findSimScenario, type SimScenario, simScenarios } from "./workloads/registry.ts"
export { type FixedAge, GapCollector, type GapCollectorOptions, netBytesOf, type Window, type WindowGaps } from "./bound/GapCollector.ts"
export { boundOf, type SavingBins, SavingHistogram } from "./bound/SavingHistogram.ts"
export { observeRun, type RunObserver } from "./trace/observeRun.ts"
export {
  decodeTrace,
  encodeTrace,
  type PageTrace,
  TraceFormatError,
  type TraceHeader,
  type TraceTick,
  TraceWriter
} from "./trace/PageTrace.ts"
export { recordTrace } from "./trace/recordTrace.ts"
export { type ReplayOptions, replayTrace } from "./trace/replayTrace.ts"
export { type AddressRange, type HeatOfMoment, heatToTrace, type HeatToTraceOptions } from "./trace/heatToTrace.ts"
export { traceGaps } from "./bound/traceGaps.ts"
