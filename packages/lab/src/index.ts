export { type HotColdOptions, type HotColdResult, runHotCold } from "./workloads/hotcold.ts"
export * from "./vm/index.ts"
