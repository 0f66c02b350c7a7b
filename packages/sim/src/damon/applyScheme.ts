/**
 * What a scheme does to the pages of a region. On physical memory page by page, past the filters; on virtual memory as madvise does it.
 * pageout evicts whatever the accessed bits say (but physical pages used since DAMON's last look, unless a `young` filter is given); cold and
 * lru_deprio move anon pages to the second youngest generation and file pages to the second oldest; lru_prio and willneed: below.
 * Simplified: lru_prio sets the accessed bit (MGLRU would raise the page's tier); willneed maps what it brings in; hugepage, nohugepage, collapse
 * and migrate_* are counted and do nothing; stepping over what is not there costs nothing; filters `active`, `hugepage_size` and `unmapped` match nothing.
 * Source: mm/damon/{paddr,vaddr}.c, mm/madvise.c, mm/mm_inline.h (lru_gen_add_folio) of 6.12.
 */
import { type Bytes, type DamosAction, type DamosFilter, pageSize } from "@wmo/core"
import type { AccessObserver } from "../AccessObserver.ts"
import { bringBack } from "../Fault.ts"
import type { MachineState } from "../MachineState.ts"
import type { MemoryGroup } from "../MemoryGroup.ts"
import { ABSENT, ACCESSED, FILE, locationOf, RESIDENT } from "../PageTable.ts"
import { evictPage } from "../Reclaim.ts"
import { type AddressSpace, found } from "./AddressSpace.ts"
import type { Region } from "./Region.ts"

export interface ApplyContext {
  readonly machine: MachineState
  readonly space: AddressSpace
  readonly isPhysical: boolean
  /** DAMON's idle flags of a group's pages. */
  readonly idleOf: (group: MemoryGroup) => AccessObserver
}

/** Filters that look at single pages. */
const pageFilters: ReadonlySet<string> = new Set(["anon", "memcg", "young", "active", "hugepage_size", "unmapped"])

const skipsYoung: DamosFilter = { type: "young", matching: true, allow: false, memcgPath: "" }

const isMatch = (filter: DamosFilter, group: MemoryGroup, page: number, idle: AccessObserver): boolean => {
  const is = (): boolean => {
    switch (filter.type) {
      case "anon":
        return (group.pages.flags[page]! & FILE) === 0
      case "memcg":
        return group.name === filter.memcgPath.trim().replaceAll(/^\/+|\/+$/g, "")
      case "young": {
        const isYoung = idle.isAccessed(page)
        if (isYoung) idle.clear(page)
        return isYoung
      }
      default:
        return false
    }
  }
  return is() === filter.matching
}

/** The first filter that is about the page decides; a page that none is about is treated the other way than the last one would. */
const passes = (filters: ReadonlyArray<DamosFilter>, group: MemoryGroup, page: number, idle: AccessObserver): boolean => {
  for (const filter of filters) if (isMatch(filter, group, page, idle)) return filter.allow === true
  const last = filters.at(-1)
  return last === undefined || last.allow !== true
}

/** Does the action to a page; whether it had something to do. */
const actOn = (machine: MachineState, action: DamosAction | (string & {}), group: MemoryGroup, page: number): boolean => {
  const { generations, pages } = group
  const flags = pages.flags[page]!
  if ((flags & RESIDENT) === 0) {
    if (action !== "willneed" || locationOf(flags) === ABSENT) return false
    return bringBack(machine, group, page)
  }
  machine.spentUs += machine.costs.reclaimPage.meanUs
  switch (action) {
    case "pageout":
      return evictPage(machine, group, page)
    case "cold":
    case "lru_deprio":
      pages.flags[page] = flags & ~ACCESSED
      generations.deprioritize(page)
      return true
    case "lru_prio":
      pages.mark(page, 0)
      return true
    default:
      return false
  }
}

/** Applies the action to a region; returns the bytes that it was applied to, as statistics count them. */
export const applyAction = (
  { idleOf, isPhysical, machine, space }: ApplyContext,
  action: DamosAction | (string & {}),
  filters: ReadonlyArray<DamosFilter>,
  region: Region
): Bytes => {
  if (action === "stat") return 0
  const isForPages = ["pageout", "cold", "lru_prio", "lru_deprio", "willneed"].includes(action)
  const isSupported = isPhysical ? ["pageout", "lru_prio", "lru_deprio"].includes(action) : !action.startsWith("lru_")
  if (!isSupported) return 0
  if (!isForPages) return region.size
  machine.zswap = machine.options.zswapSettings()
  const own = isPhysical ? filters.filter(({ type }) => pageFilters.has(type)) : []
  const all = isPhysical && action === "pageout" && !own.some(({ type }) => type === "young") ? [...own, skipsYoung] : own
  let applied = 0
  for (let address = space.next(region.start); address < region.end; address = space.next(address + pageSize)) {
    if (!space.look(address)) continue
    const group = found.group!
    const { page } = found
    if (all.length > 0 && ((group.pages.flags[page]! & RESIDENT) === 0 || !passes(all, group, page, idleOf(group)))) continue
    if (actOn(machine, action, group, page)) applied += pageSize
  }
  return isPhysical ? applied : region.size
}
