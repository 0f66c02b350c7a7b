/**
 * Memory without system calls: every unit is an ArrayBuffer, made when it is first used and dropped when it is released. The garbage
 * collector then gives it back, when it comes to it. Other threads cannot see it.
 */
import type { Bytes } from "@wmo/core"
import { ArenaError } from "../ArenaError.ts"
import { copyOut } from "./copyOut.ts"
import type { OffHeapMemory, Reservation } from "./OffHeap.ts"

const reserve = (unitBytes: Bytes, units: number): Reservation => {
  const held: Array<Uint8Array<ArrayBuffer> | undefined> = Array.from({ length: units })
  const whole = (unit: number): Uint8Array<ArrayBuffer> => {
    const known = held[unit]
    if (known !== undefined) return known
    try {
      return (held[unit] = new Uint8Array(unitBytes))
    } catch {
      throw new ArenaError({ reason: { _tag: "NoMemory", bytes: unitBytes } })
    }
  }
  return {
    unitBytes,
    units,
    address: undefined,
    bytes: (unit, start, end) => (start === undefined ? whole(unit) : whole(unit).subarray(start, end)),
    write: (unit, start, source) => whole(unit).set(source, start),
    read: (unit, start, target) => copyOut(whole(unit), start, target),
    lend: (unit) => whole(unit).buffer,
    takeBack: (unit) => {
      const lent = held[unit]
      if (lent !== undefined) held[unit] = new Uint8Array(lent.buffer.transfer())
    },
    populate: (unit) => {
      whole(unit)
    },
    release: (unit, count = 1, start = 0, end = count * unitBytes) => {
      if (start === 0 && end === count * unitBytes) held.fill(undefined, unit, unit + count)
    },
    close: () => {
      held.length = 0
    }
  }
}

export const buffers: OffHeapMemory = { kind: "buffers", reserve }
