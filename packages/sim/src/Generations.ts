/**
 * Multi-generational LRU of one group: up to four generations, anon and file with an oldest generation each and a common youngest one.
 * As in the kernel, an aging walk puts what was accessed into the generation that was youngest until then and opens a new one for what
 * faults in from now on: a page of generation g was last seen in use between birth(g) and birth(g + 1).
 * Simplified: no tiers, no PID controller, no bloom filters, one node; the walk sees every page, whatever force_scan says.
 * Source: mm/vmscan.c (try_to_inc_max_seq, inc_min_seq, try_to_inc_min_seq), Documentation/mm/multigen_lru.rst.
 */
import type { Generation, Microseconds, Pages } from "@wmo/core"
import { ACCESSED, ANON_TYPE, FILE_TYPE, maxGenerations, type PageTable, QUEUED, RESIDENT, typeOf } from "./PageTable.ts"

/** MIN_NR_GENS: that many generations are never evicted. */
const minGenerations = 2

export class Generations {
  maxSeq = minGenerations + 1
  /** Oldest generation by type. */
  readonly minSeq = [0, 0]
  private readonly birthUs = new Float64Array(maxGenerations)
  private readonly pages: PageTable

  constructor(pages: PageTable, nowUs: Microseconds) {
    this.pages = pages
    this.birthUs.fill(nowUs)
  }

  static list(type: number, seq: number): number {
    return type * maxGenerations + (seq % maxGenerations)
  }

  count(type: number, seq: number): Pages {
    return seq < this.minSeq[type]! || seq > this.maxSeq ? 0 : this.pages.counts[Generations.list(type, seq)]!
  }

  /** Puts a page that is on no list into the youngest generation. */
  addYoungest(page: number): void {
    this.pages.push(Generations.list(typeOf(this.pages.flags[page]!), this.maxSeq), page)
  }

  moveToYoungest(page: number): void {
    this.pages.remove(page)
    this.addYoungest(page)
  }

  /** The page is said to be cold: anon to the second youngest generation, file to the second oldest (lru_gen_add_folio, 6.12). */
  deprioritize(page: number): void {
    const type = typeOf(this.pages.flags[page]!)
    const oldest = this.minSeq[type]!
    const seq = type === ANON_TYPE ? this.maxSeq - 1 : oldest + minGenerations >= this.maxSeq ? oldest : oldest + 1
    this.pages.remove(page)
    this.pages.push(Generations.list(type, seq), page)
  }

  /** Whether the type has pages in a generation that may be evicted, not younger than `upTo`. */
  evictable(type: number, upTo: number = Infinity): boolean {
    this.skipEmpty(type)
    const oldest = this.minSeq[type]!
    return oldest + minGenerations <= this.maxSeq && oldest <= upTo
  }

  /** The list of the type's oldest generation. */
  oldestList(type: number): number {
    return Generations.list(type, this.minSeq[type]!)
  }

  /** Drops empty oldest generations; two stay. Leaves none that is empty where one could be evicted. */
  private skipEmpty(type: number): void {
    while (this.minSeq[type]! + minGenerations <= this.maxSeq && this.pages.counts[this.oldestList(type)] === 0) this.minSeq[type]!++
  }

  /** The aging walk. Returns the number of pages that moved. */
  age(nowUs: Microseconds): Pages {
    const { flags, touched } = this.pages
    const youngest = this.maxSeq
    let moved = 0
    for (let i = 0; i < this.pages.touchedCount; i++) {
      const page = touched[i]!
      const before = flags[page]!
      flags[page] = before & ~(ACCESSED | QUEUED)
      if ((before & (RESIDENT | ACCESSED)) !== (RESIDENT | ACCESSED)) continue
      const target = Generations.list(typeOf(before), youngest)
      if (this.pages.list[page] === target) continue
      this.pages.remove(page)
      this.pages.push(target, page)
      moved++
    }
    this.pages.touchedCount = 0
    for (const type of [ANON_TYPE, FILE_TYPE]) {
      this.skipEmpty(type)
      if (youngest - this.minSeq[type]! + 1 < maxGenerations) continue
      this.pages.appendOld(this.oldestList(type), Generations.list(type, this.minSeq[type]! + 1))
      this.minSeq[type]!++
    }
    this.maxSeq = youngest + 1
    this.birthUs[this.maxSeq % maxGenerations] = nowUs
    for (const type of [ANON_TYPE, FILE_TYPE]) this.skipEmpty(type)
    return moved
  }

  /** As `lru_gen` shows them, oldest first. */
  table(nowUs: Microseconds): ReadonlyArray<Generation> {
    const table: Array<Generation> = []
    for (let seq = Math.min(...this.minSeq); seq <= this.maxSeq; seq++) {
      table.push({
        seq,
        ageMs: Math.max(0, Math.floor((nowUs - this.birthUs[seq % maxGenerations]!) / 1000)),
        anonPages: this.count(ANON_TYPE, seq),
        filePages: this.count(FILE_TYPE, seq)
      })
    }
    return table
  }
}
