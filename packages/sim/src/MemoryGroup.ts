/**
 * A memory cgroup: its pages, what is charged to it and to its descendants, its limits and its counters.
 * Charges are kept for the whole subtree, so that a limit is one comparison; counters are kept per group and summed when read.
 * Simplified: no kernel memory (page tables, slab, sockets); the pool is charged by the length of its entries, rounded up to pages in memory.current.
 */
import { type Bytes, type Limit, limitBytes, type Microseconds, pageSize, type Pages } from "@wmo/core"
import type { MemcgLimits } from "@wmo/core/testing"
import { Generations } from "./Generations.ts"
import { MemoryCounters } from "./MemoryCounters.ts"
import { Offload } from "./Offload.ts"
import { ABSENT, DIRTY, DROPPED, FILE, IN_ZSWAP, locationOf, ON_DISK, PageTable, RESIDENT, ZERO } from "./PageTable.ts"
import { Psi } from "./Psi.ts"

/** Charged to a group and everything below it. */
export interface Charge {
  residentPages: Pages
  poolBytes: Bytes
  /** Swap slots: zswapped, zero and written pages alike. */
  swapPages: Pages
}

export interface MemoryEvents {
  low: number
  high: number
  max: number
  oom: number
  oom_kill: number
}

/** Where a group's own pages are. The sum over all fields is the number of pages in use. */
export interface PageCensus {
  readonly residentAnon: Pages
  readonly residentFile: Pages
  readonly dirtyFile: Pages
  readonly zswapped: Pages
  readonly zero: Pages
  readonly onDisk: Pages
  readonly dropped: Pages
  readonly neverTouched: Pages
}

export class MemoryGroup {
  readonly name: string
  readonly parent: MemoryGroup | undefined
  readonly children = new Set<MemoryGroup>()
  readonly pages = new PageTable()
  readonly generations: Generations
  readonly counters = new MemoryCounters()
  readonly tree: Charge = { residentPages: 0, poolBytes: 0, swapPages: 0 }
  readonly events: MemoryEvents = { low: 0, high: 0, max: 0, oom: 0, oom_kill: 0 }
  readonly psi: Psi
  /** Own pages that are out of memory. */
  readonly offload: Offload
  peakBytes: Bytes = 0
  residentFile: Pages = 0
  dirtyFile: Pages = 0
  ownPoolBytes: Bytes = 0
  /** CPU spent on reclaim that somebody asked for by a file; no task waited for it. */
  reclaimCpuUs: Microseconds = 0
  /** What reclaim owes anon for swappiness, in pages times 200: above zero anon's turn has come. */
  anonCredit = 0
  private readonly limits: MemcgLimits

  constructor(name: string, parent: MemoryGroup | undefined, limits: MemcgLimits, clock: { readonly nowUs: Microseconds }) {
    this.name = name
    this.parent = parent
    this.limits = limits
    this.generations = new Generations(this.pages, clock.nowUs)
    this.psi = new Psi(clock.nowUs)
    this.offload = new Offload(clock)
    parent?.children.add(this)
  }

  limit(key: keyof MemcgLimits): Bytes {
    const limit: Limit = this.limits[key]
    return limitBytes(limit)
  }

  /** memory.current. */
  currentBytes(): Bytes {
    return (this.tree.residentPages + Math.ceil(this.tree.poolBytes / pageSize)) * pageSize
  }

  get ownResident(): Pages {
    const { counts } = this.pages
    let sum = 0
    for (let list = 0; list < 8; list++) sum += counts[list]!
    return sum
  }

  chargeResident(pages: Pages): void {
    chargeUpwards(this, "residentPages", pages)
  }

  chargePool(bytes: Bytes): void {
    this.ownPoolBytes += bytes
    this.offload.store(bytes)
    chargeUpwards(this, "poolBytes", bytes)
  }

  chargeSwap(pages: Pages): void {
    chargeUpwards(this, "swapPages", pages)
  }

  /** Events are hierarchical: they count in the group whose limit it was and in its ancestors. */
  event(name: keyof MemoryEvents): void {
    this.events[name]++
    this.parent?.event(name)
  }

  /** The group and everything below it. */
  *subtree(): Generator<MemoryGroup> {
    yield this
    for (const child of this.children) yield* child.subtree()
  }

  /** Counts the group's own pages by looking at every one of them: for tests and reports, not for loops. */
  census(): PageCensus {
    const census = { residentAnon: 0, residentFile: 0, dirtyFile: 0, zswapped: 0, zero: 0, onDisk: 0, dropped: 0, neverTouched: 0 }
    for (let page = 0; page < this.pages.used; page++) {
      const flags = this.pages.flags[page]!
      if ((flags & RESIDENT) !== 0) {
        if ((flags & FILE) === 0) census.residentAnon++
        else if ((flags & DIRTY) === 0) census.residentFile++
        else census.dirtyFile++
      } else {
        const location = locationOf(flags)
        if (location === ABSENT) census.neverTouched++
        else if (location === IN_ZSWAP) census.zswapped++
        else if (location === ON_DISK) census.onDisk++
        else if (location === ZERO) census.zero++
        else if (location === DROPPED) census.dropped++
      }
    }
    return census
  }
}

/** Charges the group and its ancestors. */
const chargeUpwards = (from: MemoryGroup, what: keyof Charge, amount: number): void => {
  for (let group: MemoryGroup | undefined = from; group !== undefined; group = group.parent) {
    group.tree[what] += amount
    if (what !== "swapPages" && amount > 0) group.peakBytes = Math.max(group.peakBytes, group.currentBytes())
  }
}
