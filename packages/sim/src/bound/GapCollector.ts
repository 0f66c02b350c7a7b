/**
 * Watches one run of a workload without any policy, page by page, and collects what the clairvoyant bound needs: the idle gaps of every page
 * inside some windows of time, and the working set. Streaming: four bytes a page, whatever the length of the run.
 * A page's gap begins with an access and ends with the next one, with its being freed, or with the window. Time is counted in ticks: a gap is
 * exact to one. Working set: pages accessed within the last 120 s (Lagar-Cavilla et al., ASPLOS '19).
 */
import { type Bytes, type Milliseconds, pageSize, type Pages } from "@wmo/core"
import { type SavingBins, SavingHistogram } from "./SavingHistogram.ts"

/** `to` exclusive. */
export interface Window {
  readonly fromMs: Milliseconds
  readonly toMs: Milliseconds
}

/** What offloading every page that has been idle for `ageMs` would save and cost: the best that a fixed age can do. Savings in byte-seconds. */
export interface FixedAge {
  readonly ageMs: Milliseconds
  readonly net: number
  readonly promotions: Pages
}

/** What one window offers. */
export interface WindowGaps {
  readonly window: Window
  /** By age, ascending. */
  readonly fixedAges: ReadonlyArray<FixedAge>
  readonly net: SavingBins
  readonly gross: SavingBins
  /** Mean over the window's ticks. */
  readonly workingSetPages: Pages
}

export interface GapCollectorOptions {
  readonly tickMs: Milliseconds
  /** Edges should be whole ticks; they are rounded. */
  readonly windows: ReadonlyArray<Window>
  /** Bytes that are free while the page is offloaded; see {@link netBytesOf}. */
  readonly netBytes: (page: number) => Bytes
  /** Default 120 s. */
  readonly workingSetMs?: Milliseconds
}

const notInMemory = -1

/** Ages that are tried as fixed ones, about a seventh apart. */
const fixedAgesSeconds = [
  5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100, 120, 140, 160, 180, 210, 240, 270, 300, 360, 420, 480, 540, 600, 720, 840, 960,
  1200, 1500, 1800, 2400, 3000
]

/** Bytes that a page of this compressed length frees: all of it where it is file, zero, or goes to the device. */
export const netBytesOf = (isFile: boolean, compressedBytes: Bytes): Bytes =>
  isFile || compressedBytes >= pageSize ? pageSize : pageSize - compressedBytes

interface TickWindow {
  readonly from: number
  readonly to: number
  readonly gaps: SavingHistogram
  /** By fixed age: byte-ticks saved, and promotions. */
  readonly fixedNet: Float64Array
  readonly fixedPromotions: Float64Array
  setSum: number
  setTicks: number
}

export class GapCollector {
  private readonly options: GapCollectorOptions
  private readonly windows: ReadonlyArray<TickWindow>
  private readonly setTicks: number
  private readonly fixedTicks: ReadonlyArray<number>
  /** Tick of the last access by page. */
  private last = new Int32Array(0)
  /** How many pages were accessed last in each tick. */
  private readonly byLast: Array<Pages> = [0]
  private inSet: Pages = 0
  private tick = 0

  constructor(options: GapCollectorOptions) {
    this.options = options
    const ticks = (ms: Milliseconds) => Math.round(ms / options.tickMs)
    this.setTicks = ticks(options.workingSetMs ?? 120_000)
    this.fixedTicks = fixedAgesSeconds.map((seconds) => ticks(seconds * 1000))
    this.windows = options.windows.map(({ fromMs, toMs }) => ({
      from: ticks(fromMs),
      to: ticks(toMs),
      gaps: new SavingHistogram(options.tickMs / 1000),
      fixedNet: new Float64Array(fixedAgesSeconds.length),
      fixedPromotions: new Float64Array(fixedAgesSeconds.length),
      setSum: 0,
      setTicks: 0
    }))
  }

  /** The page was accessed in this tick. One that was not in memory comes in; that costs no promotion. */
  access(page: number): void {
    if (page >= this.last.length) this.grow(page + 1)
    const { tick } = this
    const before = this.last[page]!
    if (before === tick) return
    if (before !== notInMemory) {
      this.gap(page, before, tick, false)
      this.forget(before)
    }
    this.last[page] = tick
    this.byLast[tick]!++
    this.inSet++
  }

  /** The page left memory in this tick: freed, or pushed out by a limit. Whatever comes after is a new page. */
  free(page: number): void {
    if (!this.isInMemory(page)) return
    const before = this.last[page]!
    this.gap(page, before, this.tick, true)
    this.forget(before)
    this.last[page] = notInMemory
  }

  isInMemory(page: number): boolean {
    return page < this.last.length && this.last[page] !== notInMemory
  }

  /** Pages accessed within the last 120 s, this tick included. */
  get workingSetPages(): Pages {
    return this.inSet
  }

  /** The tick is over; what is told from now on belongs to the next one. */
  nextTick(): void {
    const { tick } = this
    for (const window of this.windows) {
      if (tick < window.from || tick >= window.to) continue
      window.setSum += this.inSet
      window.setTicks++
    }
    const expired = tick - this.setTicks + 1
    if (expired >= 0) {
      this.inSet -= this.byLast[expired]!
      this.byLast[expired] = 0
    }
    this.tick++
    this.byLast.push(0)
  }

  /** Closes the run: every open gap ends here, without a promotion. */
  end(): ReadonlyArray<WindowGaps> {
    for (let page = 0; page < this.last.length; page++) this.free(page)
    return this.windows.map(({ fixedNet, fixedPromotions, gaps, setSum, setTicks }, i) => ({
      window: this.options.windows[i]!,
      fixedAges: fixedAgesSeconds.map((seconds, age) => ({
        ageMs: seconds * 1000,
        net: (fixedNet[age]! * this.options.tickMs) / 1000,
        promotions: fixedPromotions[age]!
      })),
      net: gaps.net(),
      gross: gaps.gross(),
      workingSetPages: setTicks === 0 ? 0 : setSum / setTicks
    }))
  }

  private gap(page: number, from: number, to: number, isFree: boolean): void {
    for (const window of this.windows) {
      const ticks = Math.min(to, window.to) - Math.max(from, window.from)
      if (ticks <= 0) continue
      const netBytes = this.options.netBytes(page)
      window.gaps.add(ticks, netBytes, isFree || to >= window.to)
      if (to - from > this.fixedTicks[0]!) this.addFixed(window, from, to, netBytes, isFree)
    }
  }

  /** The part of the gap that is left once the page has reached each of the fixed ages. */
  private addFixed(window: TickWindow, from: number, to: number, netBytes: Bytes, isFree: boolean): void {
    const end = Math.min(to, window.to)
    for (let age = 0; age < this.fixedTicks.length; age++) {
      const out = from + this.fixedTicks[age]!
      if (out >= end) return
      window.fixedNet[age]! += (end - Math.max(out, window.from)) * netBytes
      if (!isFree && to < window.to) window.fixedPromotions[age]!++
    }
  }

  /** The page's access in tick `before` is not its last one any more. */
  private forget(before: number): void {
    if (before <= this.tick - this.setTicks) return
    this.byLast[before]!--
    this.inSet--
  }

  private grow(pages: Pages): void {
    const grown = new Int32Array(Math.max(pages, 2 * this.last.length)).fill(notInMemory)
    grown.set(this.last)
    this.last = grown
  }
}
