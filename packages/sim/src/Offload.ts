/**
 * How much of a group's memory is out of memory, integrated over virtual time: byte-seconds, the currency of savings.
 * Gross: pages that were evicted and whose content is still wanted, wherever it is (zswap, device, zero page, dropped file page). Net: less
 * what the compressed copies take, in zswap and on zram. Exact, O(1) per event; several tasks see each other's events at most 1 ms off.
 */
import { type Bytes, type Microseconds, pageSize, type Pages } from "@wmo/core"

export interface OffloadTotals {
  /** Out of memory right now. */
  readonly pages: Pages
  readonly grossByteSeconds: number
  /** Gross, less the memory that compressed copies took. */
  readonly netByteSeconds: number
  /** Pages that came back because somebody touched them: refaults, anon and file. */
  readonly promotedPages: number
}

export class Offload {
  /** Out of memory now. */
  pages: Pages = 0
  /** Memory that their compressed copies take now. */
  storedBytes: Bytes = 0
  private pageUs = 0
  private storedByteUs = 0
  private atUs: Microseconds
  private readonly clock: { readonly nowUs: Microseconds }

  constructor(clock: { readonly nowUs: Microseconds }) {
    this.clock = clock
    this.atUs = clock.nowUs
  }

  /** That many pages more are out of memory from now on. */
  change(pages: Pages): void {
    this.integrate()
    this.pages += pages
  }

  /** Compressed copies take that many bytes more from now on. */
  store(bytes: Bytes): void {
    this.integrate()
    this.storedBytes += bytes
  }

  /** Takes over what a group that is gone has come to. */
  inherit(other: Offload): void {
    this.pageUs += other.read().pageUs
    this.storedByteUs += other.read().storedByteUs
  }

  read(): { readonly pageUs: number; readonly storedByteUs: number } {
    this.integrate()
    return { pageUs: this.pageUs, storedByteUs: this.storedByteUs }
  }

  private integrate(): void {
    const { nowUs } = this.clock
    if (nowUs <= this.atUs) return
    this.pageUs += this.pages * (nowUs - this.atUs)
    this.storedByteUs += this.storedBytes * (nowUs - this.atUs)
    this.atUs = nowUs
  }
}

export const offloadTotals = (groups: ReadonlyArray<Offload>, promotedPages: number): OffloadTotals => {
  let pages = 0
  let grossByteSeconds = 0
  let storedByteSeconds = 0
  for (const group of groups) {
    const { pageUs, storedByteUs } = group.read()
    pages += group.pages
    grossByteSeconds += (pageUs * pageSize) / 1e6
    storedByteSeconds += storedByteUs / 1e6
  }
  return { pages, grossByteSeconds, netByteSeconds: grossByteSeconds - storedByteSeconds, promotedPages }
}
