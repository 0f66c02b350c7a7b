/**
 * What of a group's memory can be taken at all: above its floor, within the budget, and anon only as far as swap has room. Pure sums that
 * policies share; none of them decides anything.
 */
import { type Bytes, limitBytes, pageSize } from "@wmo/core"
import type { ColdBytes, Observation } from "@wmo/monitors"

/** Whole pages; nothing for what is less than a page or no number. */
export const inPages = (bytes: Bytes): Bytes => {
  const pages = Math.floor(Math.min(bytes, Number.MAX_SAFE_INTEGER) / pageSize)
  return pages > 0 ? pages * pageSize : 0
}

/** What the group may still swap out: what the machine has free, within the group's own limit. Limits of groups above it are not seen. */
export const swapRoomBytes = ({ machine, usage }: Observation): Bytes =>
  Math.max(0, Math.min(machine.swapFreeBytes, limitBytes(usage.swapMax ?? "max") - (usage.swapCurrentBytes ?? 0)))

/** Of cold memory, what can be taken: file, and anon as far as swap has room. */
export const takeableBytes = (cold: ColdBytes, observation: Observation): Bytes =>
  cold.fileBytes + Math.min(cold.anonBytes, swapRoomBytes(observation))

/** The most that this step may take: what is above the floor, within the budget. Whole pages. */
export const stepRoomBytes = (input: {
  readonly observation: Observation
  readonly floorBytes: Bytes
  readonly budgetBytes: Bytes
}): Bytes => inPages(Math.min(input.observation.usage.currentBytes - input.floorBytes, input.budgetBytes))
