/**
 * `@wmo/policies`: reclaim policies as pure decisions, one file each, and the contract that they share.
 */
export { type Action, describeAction } from "./Action.ts"
export { type AnyPolicy, type DecideInput, type Decision, definePolicy, type Need, type Policy } from "./Policy.ts"
export * as Setting from "./Setting.ts"
export { decodeSettings, nearest, SettingError, type Settings, type SettingValues } from "./Setting.ts"
export { none } from "./none.ts"
export { periodic } from "./periodic.ts"
export { senpai } from "./senpai.ts"
export { findPolicy, policies } from "./registry.ts"
