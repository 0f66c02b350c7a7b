/**
 * Which pages of a group were accessed, and which freed, since this observer last looked: idle page tracking, DAMON, a trace recorder.
 * Leaves MGLRU's accessed bits alone, as the kernel's idle bit does, and sees what faults in as well. Costs nothing while nobody observes;
 * with an observer, the first access to a page after a look costs a queue entry for each observer.
 */
import { type PageTable, RESIDENT, SEEN } from "./PageTable.ts"

const room = (list: Int32Array): Int32Array<ArrayBuffer> => {
  const larger = new Int32Array(Math.max(1024, list.length * 2))
  larger.set(list)
  return larger
}

export interface Accesses {
  /** Pages accessed since the last look, each once, in order of their first access. Valid until the next look. */
  readonly accessed: Int32Array
  /** Pages freed since the last look, in order; one that was taken again after that may be among those accessed, too. */
  readonly freed: Int32Array
}

export interface AccessObserverOptions {
  /** Pages count as accessed until they are looked at for the first time, as a page without the idle flag does. Default false. */
  readonly isAccessedAtFirst?: boolean
  /** Keeps lists of what was accessed and freed, for `take`. Default true. */
  readonly hasLists?: boolean
}

export class AccessObserver {
  private readonly pages: PageTable
  private readonly initial: number
  private readonly hasLists: boolean
  private seen = new Uint8Array(0)
  private accessed = new Int32Array(0)
  private accessedCount = 0
  private freed = new Int32Array(0)
  private freedCount = 0
  private spareAccessed = new Int32Array(0)
  private spareFreed = new Int32Array(0)

  /** Observes from now on, until `close`. */
  constructor(pages: PageTable, options: AccessObserverOptions = {}) {
    this.pages = pages
    this.initial = options.isAccessedAtFirst === true ? 1 : 0
    this.hasLists = options.hasLists !== false
    pages.observers.push(this)
    pages.isObserved = true
    const { flags } = pages
    for (let page = 0; page < pages.used; page++) if ((flags[page]! & RESIDENT) !== 0) flags[page]! &= ~SEEN
  }

  close(): void {
    const { observers } = this.pages
    const at = observers.indexOf(this)
    if (at !== -1) observers.splice(at, 1)
    this.pages.isObserved = observers.length > 0
  }

  /** For the page table: the page has been accessed. */
  note(page: number): void {
    if (page >= this.seen.length) this.grow()
    if (this.seen[page] !== 0) return
    this.seen[page] = 1
    if (!this.hasLists) return
    if (this.accessedCount === this.accessed.length) this.accessed = room(this.accessed)
    this.accessed[this.accessedCount++] = page
  }

  /** For the page table: the page has been freed. */
  noteFreed(page: number): void {
    if (!this.hasLists) return
    if (this.freedCount === this.freed.length) this.freed = room(this.freed)
    this.freed[this.freedCount++] = page
  }

  /** Whether the page was accessed since it was last cleared. */
  isAccessed(page: number): boolean {
    return page < this.seen.length ? this.seen[page] !== 0 : this.initial === 1
  }

  /** Forgets that the page was accessed. */
  clear(page: number): void {
    if (page >= this.seen.length) this.grow()
    this.seen[page] = 0
    const flags = this.pages.flags[page]!
    if ((flags & RESIDENT) !== 0) this.pages.flags[page] = flags & ~SEEN
  }

  /** What was accessed and freed since the last call; the next one begins anew. */
  take(): Accesses {
    const accessed = this.accessed.subarray(0, this.accessedCount)
    const freed = this.freed.subarray(0, this.freedCount)
    for (const page of accessed) this.clear(page)
    // What was handed out stays as it is until the next look: two buffers, in turn.
    ;[this.accessed, this.spareAccessed] = [this.spareAccessed, this.accessed]
    ;[this.freed, this.spareFreed] = [this.spareFreed, this.freed]
    this.accessedCount = 0
    this.freedCount = 0
    return { accessed, freed }
  }

  private grow(): void {
    const larger = new Uint8Array(this.pages.flags.length)
    larger.set(this.seen)
    if (this.initial === 1) larger.fill(1, this.seen.length)
    this.seen = larger
  }
}
