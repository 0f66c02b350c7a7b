/**
 * A PSI trigger: its fields, what the kernel accepts, and the text that sets it (`some 150000 1000000` and a NUL).
 * Does not open or wait. Source: kernel Documentation/accounting/psi.rst, "Monitoring for pressure thresholds".
 */
import type { Microseconds } from "../Units.ts"

/** "Wake me when tasks of `group` (the machine, where there is none) have stalled for `stallUs` within any `windowUs`." */
export interface PressureTrigger {
  readonly group?: string | undefined
  readonly resource: "memory" | "cpu" | "io" | "irq"
  /** `some`: at least one task stalled; `full`: all of them at once. irq has `full` alone. */
  readonly line: "some" | "full"
  /** 1 µs up to the window. */
  readonly stallUs: Microseconds
  /** 500 ms to 10 s (6.12 takes shorter ones, 6.1 does not). */
  readonly windowUs: Microseconds
}

const windowAtLeastUs = 500_000
const windowAtMostUs = 10_000_000
/** What the averages are made of: without CAP_SYS_RESOURCE no window may be finer. */
const averagingUs = 2_000_000

/** Why the kernel would refuse the trigger, in one line that says what to do; `undefined` where it would not. */
export const triggerProblem = ({ line, resource, stallUs, windowUs }: PressureTrigger, isPrivileged: boolean): string | undefined => {
  if (!Number.isInteger(stallUs) || !Number.isInteger(windowUs)) return "stall and window are whole microseconds; round them"
  if (windowUs < windowAtLeastUs || windowUs > windowAtMostUs) return `a window of ${windowUs} µs is not allowed; choose 500 ms to 10 s`
  if (stallUs < 1) return `a stall of ${stallUs} µs is not allowed; choose 1 µs or more`
  if (stallUs > windowUs) return `a stall of ${stallUs} µs does not fit in a window of ${windowUs} µs; choose a shorter one`
  if (resource === "irq" && line === "some") return "irq pressure has no `some` line; choose `full`"
  if (!isPrivileged && windowUs % averagingUs !== 0) {
    return `without CAP_SYS_RESOURCE the window is a multiple of 2 s, not ${windowUs} µs; choose 2, 4, 6, 8 or 10 s, or run as root`
  }
  return undefined
}

/** What is written to the pressure file, the NUL at its end included. */
export const encodeTrigger = ({ line, stallUs, windowUs }: PressureTrigger): Uint8Array =>
  new TextEncoder().encode(`${line} ${stallUs} ${windowUs}\0`)
