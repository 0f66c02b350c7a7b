/** The process arena. */
export { type Advisor, batches } from "./Advisor.ts"
export { openProcessArena, type ProcessArena, type ProcessArenaFailure, type ProcessArenaOptions } from "./ProcessArena.ts"
export { ProcessArenaError } from "./ProcessArenaError.ts"
export { changeProcessSettings, defaultProcessSettings, type ProcessSettings } from "./ProcessSettings.ts"
export type { ProcessArenaStatus, ProcessMode, ProcessRange } from "./ProcessStatus.ts"
export type { Unfit } from "./eligible.ts"
export type { MemoryOf } from "./account.ts"
