/**
 * Memory that a workload touches page by page, on plain memory or in a region of the managed arena. A touch reads all of a page, compares it with
 * what it must be, and writes its count: the same work on both, but for the copy that the arena's interface makes.
 */
import type { Arena, OffHeapMemory, Region } from "@wmo/arena"
import { addressOf } from "../pattern.ts"
import { type PageContent, pageBytes } from "./content.ts"

export interface TouchedMemory {
  readonly content: PageContent
  readonly touch: (page: number) => void
  /** Where it is, if it stays at one place: [start, end). */
  readonly place: readonly [bigint, bigint] | undefined
  readonly close: () => void
}

/** In one piece, without huge pages where the system's calls can be made. */
export const plainMemory = (memory: OffHeapMemory, content: PageContent, needsPlace = true): TouchedMemory => {
  const { pages } = content
  const reservation = memory.reserve(pages * pageBytes, 1)
  const { buffer, byteOffset, byteLength } = reservation.bytes(0)
  const all = Buffer.from(buffer, byteOffset, byteLength)
  const start = reservation.address ?? (needsPlace ? addressOf(all) : undefined)
  for (let page = 0; page < pages; page++) content.fill(page, all, page * pageBytes)
  return {
    content,
    touch: (page) => {
      const at = page * pageBytes
      content.check(page, all, at)
      all.writeUInt32LE(content.written(page), at)
    },
    place: start === undefined ? undefined : [start, start + BigInt(byteLength)],
    close: () => reservation.close()
  }
}

const touchedRegion = (region: Region, content: PageContent): TouchedMemory["touch"] => {
  const page = Buffer.alloc(pageBytes)
  const count = Buffer.alloc(4)
  return (number) => {
    const at = number * pageBytes
    region.readInto(at, page)
    content.check(number, page, 0)
    count.writeUInt32LE(content.written(number))
    region.write(at, count)
  }
}

export const arenaMemory = (arena: Arena, name: string, content: PageContent): TouchedMemory => {
  const { pages } = content
  const region = arena.region(pages * pageBytes, name)
  const page = Buffer.alloc(pageBytes)
  for (let number = 0; number < pages; number++) {
    content.fill(number, page, 0)
    region.write(number * pageBytes, page)
  }
  return { content, touch: touchedRegion(region, content), place: undefined, close: () => region.free() }
}
