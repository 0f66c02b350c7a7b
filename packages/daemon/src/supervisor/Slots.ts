/**
 * When within a tick each group has its turn: groups are spread over a few moments, so that a thousand do not wake at once. Few moments, since what is read
 * once for all groups of a moment (MGLRU's table) is read as often as there are moments. Up to so many groups have one moment, as they always had.
 * A moment is over within a tenth of a second, even where all of its groups are looked at: those that began together are due together.
 */
import type { Milliseconds } from "@wmo/core"

const groupsASlot = 125
/** In the order in which they are opened: those in use are far apart. */
const shares = [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8]

export class Slots {
  private readonly taken = shares.map(() => 0)

  /** Of the emptiest slot that is open with `groups` in all; to be given back by `leave`. */
  take(groups: number): number {
    const open = Math.min(shares.length, Math.max(1, Math.ceil(groups / groupsASlot)))
    let slot = 0
    for (let i = 1; i < open; i++) if (this.taken[i]! < this.taken[slot]!) slot = i
    this.taken[slot]!++
    return slot
  }

  leave(slot: number): void {
    this.taken[slot]!--
  }
}

export const phaseOf = (slot: number, everyMs: Milliseconds): Milliseconds => Math.round(shares[slot]! * everyMs)

/** Where looks at the `count`-th group come once it is idle, as a share of the time between them: far from those before it (multiples of the golden ratio). */
export const idlePhaseOf = (count: number): number => (count * 0.618_033_988_75) % 1
