/** How long a league takes, so that nobody starts hours by accident. Rates were measured on two emulated CPUs; with KVM it is less. Pure. */
import type { Milliseconds } from "@wmo/core"
import type { LeaguePlan } from "./plan.ts"
import type { PairedSet } from "./schedule.ts"

/** Of a slot beside the workload's own time: two starts of Node, loading and verifying some hundred MiB, cleaning up. */
const slotExtraMs: Milliseconds = 25_000
const bootMs: Milliseconds = 12_000

/** Counted time passes slower than the host's while a guest computes, as the workloads do without a pause: 2.5 times was seen, and more on a busy host. */
const countedPace = 2.5
const slowestCountedPace = 8

export const estimateMs = (
  boots: ReadonlyArray<ReadonlyArray<PairedSet>>,
  plan: Pick<LeaguePlan, "durationMs" | "icount">
): Milliseconds => {
  const slotMs = (plan.durationMs + slotExtraMs) * (plan.icount === null ? 1 : countedPace)
  return boots.reduce((sum, sets) => sum + bootMs + sets.reduce((slots, set) => slots + set.slots.length, 0) * slotMs, 0)
}

/** Of the host: a guest that takes longer has hung in a way that it does not see itself. */
export const bootTimeoutMs = (slots: number, plan: Pick<LeaguePlan, "durationMs" | "icount">): Milliseconds =>
  slots * slotTimeoutMs(plan) * (plan.icount === null ? 1 : slowestCountedPace)

/** A slot that takes longer than this, by the guest's clock, has hung. */
export const slotTimeoutMs = (plan: Pick<LeaguePlan, "durationMs">): Milliseconds => 2 * plan.durationMs + 180_000
