/**
 * `@wmo/monitors`: turns kernel memory files into observations. Reads only.
 */
export { type GroupUsage, growth, type MachineUsage, type Observation } from "./Observation.ts"
export { coldBytes, type ColdBytes, fromGenerations, fromWorkingSet, type PageAge, type PageAgeSource } from "./PageAge.ts"
export { makePageAgeMonitor, type PageAgeChoice, type PageAgeMonitor } from "./PageAgeMonitor.ts"
export { type CgroupSampler, GroupGone, makeCgroupSampler } from "./CgroupSampler.ts"
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
