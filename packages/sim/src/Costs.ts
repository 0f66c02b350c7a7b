/**
 * What memory management costs, in microseconds, as distributions that a seed makes reproducible.
 * Simplified: costs do not depend on load, on the page's content or on the caches. A disk has no queue.
 * Sources: zswap load, Lagar-Cavilla et al., "Software-Defined Far Memory" (ASPLOS '19), p50 6.4 µs, p98 9.1 µs; the others are orders of
 * magnitude of a current server and an SSD.
 */
import type { Microseconds } from "@wmo/core"
import type { Random } from "./Random.ts"

/** A log-normal distribution given by its median and its 98th percentile; equal values make a constant. */
export interface Spread {
  readonly p50Us: Microseconds
  readonly p98Us: Microseconds
}

export interface Costs {
  /** Taking a page fault that needs no I/O: entry, allocation, zeroing, mapping. Part of every fault. */
  readonly minorFault: Spread
  /** Compressing a page and storing it. */
  readonly zswapStore: Spread
  /** Finding a page in zswap and decompressing it: what the faulting task waits. */
  readonly zswapLoad: Spread
  /** Reading one page from the swap device or from a file. */
  readonly diskRead: Spread
  /** Handing one page to the device; the write itself is asynchronous. */
  readonly diskWrite: Spread
  /** Looking at one page in reclaim: isolation, reverse mapping, unmapping. */
  readonly reclaimPage: Spread
  /** Looking at one resident page in an aging walk. */
  readonly agePage: Spread
  /** Finding and clearing, or reading, the accessed bit of one sampled page in DAMON: a page table or reverse mapping walk. */
  readonly damonCheck: Spread
}

export const defaultCosts: Costs = {
  minorFault: { p50Us: 0.5, p98Us: 1 },
  zswapStore: { p50Us: 8, p98Us: 12 },
  zswapLoad: { p50Us: 6.4, p98Us: 9.1 },
  diskRead: { p50Us: 100, p98Us: 250 },
  diskWrite: { p50Us: 5, p98Us: 10 },
  reclaimPage: { p50Us: 0.5, p98Us: 1 },
  agePage: { p50Us: 0.01, p98Us: 0.02 },
  damonCheck: { p50Us: 0.2, p98Us: 0.5 }
}

/** A cost that never varies: for hand-computed cases. */
export const constantCost = (us: Microseconds): Spread => ({ p50Us: us, p98Us: us })

const tableSize = 1024
const normalAt98 = 2.0537489

/** Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7. */
const cumulativeNormal = (x: number): number => {
  const z = Math.abs(x) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * z)
  const tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-z * z)
  return x < 0 ? tail / 2 : 1 - tail / 2
}

/** Quantiles of the standard normal distribution at (i + 1/2)/size, by bisection. */
const normalQuantiles: Float64Array = (() => {
  return Float64Array.from({ length: tableSize }, (_, i) => {
    let low = -6
    let high = 6
    for (let step = 0; step < 40; step++) {
      const middle = (low + high) / 2
      if (cumulativeNormal(middle) < (i + 0.5) / tableSize) low = middle
      else high = middle
    }
    return low
  })
})()

/** Draws from a {@link Spread}: one table look-up. */
export class Sampler {
  private readonly table: Float64Array
  private readonly random: Random
  /** The distribution's mean, for costs that are charged in bulk. */
  readonly meanUs: Microseconds

  constructor(spread: Spread, random: Random) {
    if (!(spread.p50Us >= 0 && spread.p98Us >= spread.p50Us)) {
      throw new RangeError(`a cost needs 0 <= p50Us <= p98Us; got ${spread.p50Us} and ${spread.p98Us}`)
    }
    const sigma = spread.p50Us === 0 ? 0 : Math.log(spread.p98Us / spread.p50Us) / normalAt98
    this.table = normalQuantiles.map((z) => spread.p50Us * Math.exp(sigma * z))
    this.meanUs = sigma === 0 ? spread.p50Us : this.table.reduce((sum, us) => sum + us, 0) / tableSize
    this.random = random
  }

  draw(): Microseconds {
    return this.table[this.random.nextBits() >>> 22]!
  }
}

export type CostSamplers = { readonly [K in keyof Costs]: Sampler }

export const costSamplers = (costs: Costs, random: (name: string) => Random): CostSamplers => {
  const sampler = (name: keyof Costs) => new Sampler(costs[name], random(`cost ${name}`))
  return {
    minorFault: sampler("minorFault"),
    zswapStore: sampler("zswapStore"),
    zswapLoad: sampler("zswapLoad"),
    diskRead: sampler("diskRead"),
    diskWrite: sampler("diskWrite"),
    reclaimPage: sampler("reclaimPage"),
    agePage: sampler("agePage"),
    damonCheck: sampler("damonCheck")
  }
}
