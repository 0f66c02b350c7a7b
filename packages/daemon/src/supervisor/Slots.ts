/**
 * When within a tick each group has its turn: groups are spread over moments, so that a thousand do not wake at once and the last of them is not late by what all
 * the others take. What is read once for many groups (MGLRU's table) serves several moments. Up to so many groups have one moment.
 */
import type { Milliseconds } from "@wmo/core"

const groupsASlot = 64
/** In the order in which they are opened: those in use are far apart. */
const shares = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15].map((sixteenths) => sixteenths / 16)

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
