/**
 * `@wmo/core`: every kernel memory interface as a typed Effect service. Files, formats and units; no policy.
 */
export * from "./Units.ts"
export { BytesFromText, MillisecondsFromText, numberFromText } from "./UnitSchema.ts"
export { type Codec, CodecError } from "./Codec.ts"
export { errnoOf, type KernFsOperation, KernFsError, type KernFsReason } from "./KernFsError.ts"
export { type FsLike, type Held, type KernelError, KernFs, type OpenFile } from "./KernFs.ts"
export { KernelRoots, type KernelRootsShape } from "./KernelRoots.ts"
export * from "./Scalars.ts"
export { type NestedKeyed, nestedKeyedFile } from "./FlatKeyed.ts"
export {
  type Counters,
  countersFile,
  type MemoryStat,
  memoryStat,
  type MemoryStatAmount,
  memoryStatAmounts,
  type MemoryStatCounter,
  memoryStatCounters
} from "./MemoryStat.ts"
export * from "./PressureStall.ts"
export * from "./LruGen.ts"
export * from "./LruGenFull.ts"
export * from "./WorkingSetReport.ts"
export * from "./Proc.ts"
export * as Memcg from "./Memcg.ts"
export {
  cgroupEvents,
  cgroupFreeze,
  cgroupKill,
  cgroupMaxDepth,
  cgroupMaxDescendants,
  cgroupPressure,
  cgroupStat,
  cgroupThreads,
  type CgroupType,
  cgroupType,
  type CountersOf,
  countersOf,
  cpuPressure,
  cpuStat,
  ioPressure,
  irqPressure,
  switchFile
} from "./cgroups/groupFiles.ts"
export { type IoDeviceStat, type IoStat, ioStat } from "./cgroups/ioStat.ts"
export type { GroupChange } from "./cgroups/watchGroups.ts"
export {
  Pressure,
  type PressureLiveness,
  type PressureReading,
  type PressureResource,
  type PressureTrigger,
  PressureTriggerError
} from "./pressure/Pressure.ts"
export { Zram, type ZramDevice, zramRatio, type ZramSettings } from "./zram/Zram.ts"
export * from "./zram/zramFiles.ts"
export { type CgroupMount, type CgroupMounts, findCgroupMount, findCgroupMounts } from "./CgroupMount.ts"
export { capture, CaptureError, type CapturedFile, type CaptureManifest, captureManifest } from "./Capture.ts"
export { type Capability, type CapabilityState, probeCapabilities } from "./Capabilities.ts"
export { Cgroups, type HeldPeak, type ReclaimResult } from "./Cgroups.ts"
export { Mglru } from "./Mglru.ts"
export { Zswap, type ZswapParameters, zswapRatio, type ZswapStats } from "./Zswap.ts"
export { WorkingSet } from "./WorkingSet.ts"
export { Machine } from "./Machine.ts"
export { decodeSmall, readSmall } from "./readSmall.ts"
export { Damon, type DamonFeature } from "./damon/Damon.ts"
export type { DamonCommandError, DamonSnapshot, OwnedDamon } from "./damon/OwnedDamon.ts"
export type { DamonPatch } from "./damon/treeFiles.ts"
export {
  DamonInUse,
  type DamonModuleName,
  damonModuleNames,
  DamonNotRunning,
  DamonRejected,
  DamonUnsupported,
  type DamonUser
} from "./damon/DamonErrors.ts"
export * from "./damon/DamonTree.ts"
export * from "./damon/makeKdamond.ts"
export * from "./damon/DamonFiles.ts"
export { damonModuleFiles, type DamonModuleOptions, type DamonModuleParameters, DamonModules } from "./damon/DamonModules.ts"
export * from "./damon/DamonTraceEvent.ts"
export { DamonTrace, type DamonTraceOptions } from "./damon/DamonTrace.ts"
export {
  HeldByAnother,
  type Holder,
  Journal,
  JournalError,
  type JournalFailure,
  type Recovery,
  type Replay,
  type Undone
} from "./Journal.ts"
export { type AddressRange } from "./native/libc.ts"
export { trimHeap } from "./native/trimHeap.ts"
export { unmapText } from "./native/unmapText.ts"
export { type Mapping, maps } from "./processes/Mapping.ts"
export {
  cpuMsOf,
  isDead,
  isKernelThread,
  processChildren,
  type ProcessIdentity,
  type ProcessSize,
  processSize,
  type ProcessStat,
  processStat
} from "./processes/ProcessStat.ts"
export { type ClearRefs, clearRefs, type ProcessAmounts, type ProcessStatus, processStatus } from "./processes/ProcessStatus.ts"
export { smaps, type SmapsAmounts, type SmapsMapping, type SmapsRollup, smapsRollup } from "./processes/Smaps.ts"
export { Processes } from "./processes/Processes.ts"
export { type Advice, type Advised, type AdviceOptions, type OpenProcess, ProcessMemory } from "./processes/ProcessMemory.ts"
export { type IoMemRange, ioMem, systemRam } from "./pages/IoMem.ts"
export { type Zone, type ZoneCpu, type ZonePages, zoneInfo } from "./pages/ZoneInfo.ts"
export { countPages, noPages, type PagemapCounts, type PagemapEntry, pagemapEntry } from "./pages/PagemapEntry.ts"
export { type PageFrames, PageMap, type PageRange, type PageRun, type PageScan } from "./pages/PageMap.ts"
export { KernelPages, type PageFlag, pageFlagNames, pageFlags } from "./pages/KernelPages.ts"
export { type IdleBitmap, type IdleMark, IdlePages, type IdleReport } from "./pages/IdlePages.ts"
