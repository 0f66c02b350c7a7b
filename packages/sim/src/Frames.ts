/**
 * Physical memory: which page is in which frame. Kept only once somebody looks at physical addresses (DAMON's paddr).
 * Simplified: pages that are there when that begins have frames in order of group and index, later ones get the frame that was given back
 * last, or the next one that is free; no zones, no kernel memory, no fragmentation by what was there before.
 */
import type { Bytes } from "@wmo/core"
import { pageSize, type Pages } from "@wmo/core"
import type { MemoryGroup } from "./MemoryGroup.ts"
import { RESIDENT } from "./PageTable.ts"

/** As on a PC: the first MiB is the firmware's. */
export const firstFrame: Pages = 256

export class Frames {
  private readonly groups: Array<MemoryGroup> = []
  private readonly groupOf: Uint16Array
  private readonly pageOf: Int32Array
  /** By group and page; -1: none. */
  private readonly frameOf = new Map<MemoryGroup, Int32Array>()
  private readonly free: Array<number> = []
  private next = firstFrame
  /** Frames below it exist. */
  readonly end: number

  constructor(memTotalBytes: Bytes, groups: Iterable<MemoryGroup>) {
    this.end = firstFrame + Math.ceil(memTotalBytes / pageSize)
    this.groupOf = new Uint16Array(this.end)
    this.pageOf = new Int32Array(this.end).fill(-1)
    for (const group of groups) {
      const { pages } = group
      for (let page = 0; page < pages.used; page++) if ((pages.flags[page]! & RESIDENT) !== 0) this.take(group, page)
    }
  }

  /** The page has come into memory. */
  take(group: MemoryGroup, page: number): void {
    const frame = this.free.pop() ?? this.next++
    if (frame >= this.end) return void this.next--
    this.groupOf[frame] = this.indexOf(group)
    this.pageOf[frame] = page
    this.table(group, page)[page] = frame
  }

  /** The page has left it. */
  give(group: MemoryGroup, page: number): void {
    const table = this.table(group, page)
    const frame = table[page]!
    if (frame < 0) return
    table[page] = -1
    this.pageOf[frame] = -1
    this.free.push(frame)
  }

  /** Frames from there on have never had a page. */
  get used(): number {
    return this.next
  }

  /** The page in a frame, or -1; its group is {@link groupAt}. */
  pageAt(frame: number): number {
    return frame < this.end ? this.pageOf[frame]! : -1
  }

  groupAt(frame: number): MemoryGroup {
    return this.groups[this.groupOf[frame]!]!
  }

  private indexOf(group: MemoryGroup): number {
    const index = this.groups.indexOf(group)
    return index === -1 ? this.groups.push(group) - 1 : index
  }

  private table(group: MemoryGroup, page: number): Int32Array {
    const table = this.frameOf.get(group)
    if (table !== undefined && page < table.length) return table
    const larger = new Int32Array(Math.max(group.pages.flags.length, page + 1)).fill(-1)
    if (table !== undefined) larger.set(table)
    this.frameOf.set(group, larger)
    return larger
  }
}
