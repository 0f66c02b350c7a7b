/**
 * `@wmo/monitors`: turns kernel memory files into observations. Reads only.
 */
export { type GroupUsage, growth, type MachineUsage, type Observation } from "./Observation.ts"
export { coldBytes, type ColdBytes, fromGenerations, fromWorkingSet, type PageAge, type PageAgeSource } from "./PageAge.ts"
export { makePageAgeMonitor, type PageAgeChoice, type PageAgeMonitor } from "./PageAgeMonitor.ts"
export { type CgroupSampler, GroupGone, makeCgroupSampler } from "./CgroupSampler.ts"
