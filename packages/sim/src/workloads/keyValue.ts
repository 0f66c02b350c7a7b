/**
 * kv-zipf and kv-gauss: an in-memory key-value store of the kind of memcached, filled once, then read: items of 1 kB (four a page), a hash
 * table whose buckets are read with them, slab headers that are always in use, and slabs whose items have expired.
 * Zipf: popularity by rank, ranks spread over the store at random, so that hot and cold items share pages. Gauss: memtier's pattern G:G, a
 * normal distribution over the key space around its middle, keys in the order in which they were stored (seed 004): hot pages lie together.
 * Simplified: reads only; no eviction by the store. Requests come in batches once a second.
 */
import type { Bytes } from "@wmo/core"
import type { Random } from "../Random.ts"
import type { Step, Workload } from "../Workload.ts"
import { layout, mib, pagesOf, shuffled, sweep, touchPages, until } from "./layout.ts"

interface KeyValueOptions {
  /** The items. Default 256 MiB. */
  readonly itemBytes?: Bytes
  /** Slabs of items that have expired: never read again. Default 64 MiB. */
  readonly expiredBytes?: Bytes
  /** The hash table. Default 8 MiB. */
  readonly tableBytes?: Bytes
  /** Always in use: the process, slab headers, connections. Default 16 MiB. */
  readonly processBytes?: Bytes
  /** Default 2,000. */
  readonly requestsPerSecond?: number
}

export interface ZipfOptions extends KeyValueOptions {
  /** Of the popularity's fall by rank, above 0. Default 1.2. */
  readonly exponent?: number
}

export interface GaussOptions extends KeyValueOptions {
  /** As a share of the key space. Default a sixth, as memtier's. */
  readonly deviation?: number
}

const itemsPerPage = 4

/** Draws the item of a request, 0..items - 1. */
type Popularity = (random: Random, items: number) => () => number

/** Where the kernel of a hash puts it: the same for the same item, unlike its place in the store. */
const scatter = (item: number, below: number): number => Math.floor(((Math.imul(item, 0x9e3779b1) >>> 0) / 2 ** 32) * below)

const store = (name: string, options: KeyValueOptions, popularity: Popularity): Workload => {
  const perSecond = options.requestsPerSecond ?? 2000
  const itemBytes = options.itemBytes ?? 256 * mib
  const { anonPages, at, filePages } = layout({
    process: options.processBytes ?? 16 * mib,
    table: options.tableBytes ?? 8 * mib,
    items: itemBytes,
    expired: options.expiredBytes ?? 64 * mib
  })
  const items = pagesOf(itemBytes) * itemsPerPage
  return {
    name,
    anonPages,
    filePages,
    tasks: [
      function* (context): Generator<Step, void> {
        const draw = popularity(context.random, items)
        for (;;) {
          const nextMs = context.nowMs() + 1000
          yield sweep(at.process, { isWrite: true, thinkUs: 10 })
          const list = new Uint32Array(2 * perSecond)
          for (let i = 0; i < perSecond; i++) {
            const item = draw()
            list[2 * i] = at.table.first + scatter(item, at.table.pages)
            list[2 * i + 1] = at.items.first + Math.floor(item / itemsPerPage)
          }
          yield touchPages(list, { thinkUs: 100, touchesPerOperation: 2 })
          yield* until(context, nextMs)
        }
      }
    ]
  }
}

/** By inversion of the continuous distribution, which differs from the discrete one by less than a percent beyond the first ten ranks. */
const zipf =
  (exponent: number): Popularity =>
  (random, items) => {
    const placeOfRank = shuffled(random, items)
    const power = 1 - exponent
    const total = Math.abs(power) < 1e-9 ? Math.log(items + 1) : ((items + 1) ** power - 1) / power
    return () => {
      const mass = random.nextFraction() * total
      const rank = Math.abs(power) < 1e-9 ? Math.exp(mass) : (mass * power + 1) ** (1 / power)
      return placeOfRank[Math.min(items - 1, Math.floor(rank) - 1)]!
    }
  }

/** Box-Muller; draws outside of the key space are drawn again, as memtier does. */
const gauss =
  (deviation: number): Popularity =>
  (random, items) =>
  () => {
    for (;;) {
      const radius = Math.sqrt(-2 * Math.log(1 - random.nextFraction()))
      const item = Math.floor((0.5 + deviation * radius * Math.cos(2 * Math.PI * random.nextFraction())) * items)
      if (item >= 0 && item < items) return item
    }
  }

/** See the module's header. */
export const keyValueZipf = (options: ZipfOptions = {}): Workload => store("kv-zipf", options, zipf(options.exponent ?? 1.2))

/** See the module's header. */
export const keyValueGauss = (options: GaussOptions = {}): Workload => store("kv-gauss", options, gauss(options.deviation ?? 1 / 6))
