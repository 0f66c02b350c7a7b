/**
 * `@wmo/monitors`: turns kernel memory files into observations. Reads only.
 */
export { type GroupUsage, growth, type MachineUsage, type Observation, type Promotions } from "./Observation.ts"
export { coldBytes, type ColdBytes, fromGenerations, fromWorkingSet, type PageAge } from "./PageAge.ts"
export { makePageAgeMonitor, type PageAgeChoice, type PageAgeMonitor } from "./PageAgeMonitor.ts"
export { type CgroupSampler, type Glance, GroupGone, makeCgroupSampler } from "./CgroupSampler.ts"
export type { HeatFrame, HeatMapping, HeatRegion, HeatSource, HeatSubject } from "./heat/HeatFrame.ts"
export { type Interest, parseInterest } from "./heat/heatRanges.ts"
export { type HeatOf, HeatUnavailable } from "./heat/heatTargets.ts"
export {
  defaultHeatIntervals,
  defaultHeatRegions,
  type HeatError,
  type HeatMonitor,
  type HeatOptions,
  makeHeatMonitor
} from "./heat/HeatMonitor.ts"
export { type AgeFrame, type GenerationAgesOptions, makeGenerationAges } from "./heat/GenerationAges.ts"
export { type AgeSourceDescription, describeAgeSource, type PageAgeSource } from "./ages/AgeSource.ts"
export { type DamonAgesOptions, makeDamonAges } from "./ages/DamonAges.ts"
export type { AgeError, AgeTracker, TrackedAges, WindowPromotions } from "./ages/AgeTracker.ts"
export { type AgeLadder, coldAgeBins, defaultAgeLadder } from "./ages/Histogram.ts"
export { type AgeSourceChoice, ageSourceChoices, chooseAgeSource, type ChosenAgeSource } from "./ages/chooseAgeSource.ts"
export { type GenerationTrackerOptions, makeGenerationTracker } from "./ages/GenerationTracker.ts"
export { type IdleAgesOptions, makeIdleAges } from "./ages/IdleAges.ts"
export { type FarMemory, type FarMemoryEntries, type FarMemoryOptions, makeFarMemory, makeTrackedPageAges } from "./FarMemory.ts"
export * from "./Sample.ts"
export type { Sampler, Sampling } from "./Sampler.ts"
export { makeSampleLoop, mergedSamples, type SampleLoop, type SampleLoopOptions, type SampleSnapshot } from "./SampleLoop.ts"
export { type CgroupFile, cgroupFiles } from "./samplers/cgroupMetrics.ts"
export { cgroupTreeSampler, type CgroupTreeOptions, type CgroupTreeSampling } from "./samplers/cgroupTree.ts"
export { compressedMemorySampler } from "./samplers/compressedMemory.ts"
export { type GroupChoice, groupMatcher } from "./samplers/globs.ts"
export { machineMemorySampler } from "./samplers/machineMemory.ts"
export { type PressureOptions, pressureSampler } from "./samplers/pressure.ts"
export { type ProcessesOptions, processSampler } from "./samplers/processes.ts"
export { groupProcesses, type GroupProcess } from "./ages/groupProcesses.ts"
