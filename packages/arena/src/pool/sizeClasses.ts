/**
 * Size classes of the pool: the sizes of which a whole number fills a slab, so that no slab has a tail. Neighbours are at most 1/16 apart,
 * which bounds what a slot wastes. After the kernel's zsmalloc, with larger slabs in place of page chains.
 */
import type { Bytes } from "@wmo/core"

export interface SizeClasses {
  readonly slabBytes: Bytes
  /** Slot sizes, ascending. */
  readonly sizes: ReadonlyArray<Bytes>
  /** Slots of a slab, class by class. */
  readonly slots: ReadonlyArray<number>
  /** The smallest class that holds so many bytes. */
  readonly classOf: (bytes: Bytes) => number
}

/** A slab holds 16 of the largest payload, and at most this many of the smallest. */
const fewestSlots = 16
export const mostSlots = 4096
const leastSlabBytes = 65_536
const leastSlotBytes = 64

/** `largest` is the largest payload: a power of two. */
export const sizeClasses = (largest: Bytes): SizeClasses => {
  const slabBytes = Math.max(leastSlabBytes, largest * fewestSlots)
  const sizes: Array<Bytes> = []
  const slots: Array<number> = []
  const most = Math.min(mostSlots, slabBytes / leastSlotBytes)
  for (let count = slabBytes / largest; count <= most; count = Math.max(count + 1, Math.floor((count * 17) / 16))) {
    const size = Math.floor(slabBytes / count / 16) * 16
    if (size === sizes[0]) continue
    sizes.unshift(size)
    slots.unshift(Math.floor(slabBytes / size))
  }
  const step = 16
  const table = new Uint8Array(largest / step + 1)
  for (let at = 0, group = 0; at < table.length; at++) {
    while (sizes[group]! < at * step) group++
    table[at] = group
  }
  return { slabBytes, sizes, slots, classOf: (bytes) => table[Math.ceil(bytes / step)]! }
}
