/**
 * `@wmo/policies`: reclaim policies as pure decisions, one file each, and the contract that they share.
 */
export {
  type Action,
  type DamonSetUp,
  describeAction,
  parseAction,
  printAction,
  type ReclaimModuleParameters,
  takesMemory
} from "./Action.ts"
export { type AnyPolicy, type DecideInput, type Decision, definePolicy, type Need, type PastAction, type Policy } from "./Policy.ts"
export * as Setting from "./Setting.ts"
export { decodeSettings, encodeSettings, nearest, SettingError, type Settings, type SettingValues } from "./Setting.ts"
export { cacheCap } from "./cacheCap.ts"
export { damonReclaim } from "./damonReclaim.ts"
export { darc } from "./darc.ts"
export { ethp } from "./ethp.ts"
export { farMemory } from "./farMemory.ts"
export { highThrottle } from "./highThrottle.ts"
export { lruGen } from "./lruGen.ts"
export { none } from "./none.ts"
export { periodic } from "./periodic.ts"
export { prcl } from "./prcl.ts"
export { senpai } from "./senpai.ts"
export { slo } from "./slo.ts"
export { senpaiOomd } from "./senpaiOomd.ts"
export { tmo } from "./tmo.ts"
export { watermark } from "./watermark.ts"
export { findPolicy, policies } from "./registry.ts"
