export { type HotColdOptions, type HotColdResult, runHotCold } from "./workloads/hotcold.ts"
export { type PatternOptions, type PatternPart, type PatternPlaces, type PatternResult, runPattern } from "./workloads/pattern.ts"
export * from "./vm/index.ts"
