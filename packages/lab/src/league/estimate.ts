/** How long a league takes, so that nobody starts hours by accident. Rates were measured on two emulated CPUs; with KVM it is less. Pure. */
import type { Milliseconds } from "@wmo/core"
import type { LeaguePlan } from "./plan.ts"
import type { PairedSet } from "./schedule.ts"

/** Of a slot beside the workload's own time: two starts of Node, loading and verifying some hundred MiB, cleaning up. */
const slotExtraMs: Milliseconds = 25_000
const bootMs: Milliseconds = 12_000

export const estimateMs = (boots: ReadonlyArray<ReadonlyArray<PairedSet>>, plan: Pick<LeaguePlan, "durationMs">): Milliseconds =>
  boots.reduce((sum, sets) => sum + bootMs + sets.reduce((slots, set) => slots + set.slots.length, 0) * (plan.durationMs + slotExtraMs), 0)

/** A slot that takes longer than this has hung. */
export const slotTimeoutMs = (plan: Pick<LeaguePlan, "durationMs">): Milliseconds => 2 * plan.durationMs + 180_000
