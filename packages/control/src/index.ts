/**
 * `@wmo/control`: observe, decide, act inside guard rails, record.
 */
export { type Actuator, makeActuator } from "./Actuator.ts"
export type { DamonServices } from "./DamonActs.ts"
export {
  defaultGuardRails,
  effectiveFloor,
  type GuardRails,
  judge,
  nothingSpent,
  remainingBudget,
  type Spent,
  type Verdict
} from "./GuardRails.ts"
export { type Loop, LoopEnded, type LoopOptions, makeLoop } from "./Loop.ts"
export { prepareWorkingSet } from "./prepareWorkingSet.ts"
export { type IdlePace, makePace, type Pace, type PaceOptions } from "./Pace.ts"
export { PolicyCannotRun } from "./PolicyCannotRun.ts"
export { makeReplay, type ReplayOptions, type ReplayStep } from "./replay/replayPolicy.ts"
export { countInputs, missingInputs, noInputs, type ReplayInputs } from "./replay/replayNeeds.ts"
export { type ActionTaken, addTurn, noTotals, type ReplayTotals } from "./replay/replayTotals.ts"
export { runSession, type SessionEnd, type SessionOptions } from "./Session.ts"
export { makeTurns, type Turn, type Turns, type TurnsOptions } from "./Turns.ts"
export { CommandError, findCommand, makeGroup, startWorkload, type WorkloadProcess } from "./WorkloadProcess.ts"
export { type SpawnRequest, type WorkloadSpawn, WorkloadSpawner } from "./spawnInGroup.ts"
