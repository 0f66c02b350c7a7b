/**
 * Latencies in log-linear buckets: 32 per doubling (3 % wide), from one nanosecond to half an hour. Adding is O(1) and allocates nothing.
 */
import type { Microseconds } from "@wmo/core"

const subBits = 5
const subBuckets = 1 << subBits
const octaves = 41

const bucketOf = (ns: number): number => {
  if (ns < subBuckets) return Math.max(0, Math.floor(ns))
  const high = ns >= 2 ** 31 ? 31 - Math.clz32(Math.floor(ns / 2 ** 31)) + 31 : 31 - Math.clz32(ns)
  const shift = high - subBits
  return Math.min((shift + 1) * subBuckets + Math.floor(ns / 2 ** shift) - subBuckets, octaves * subBuckets - 1)
}

/** The middle of a bucket. */
const valueOf = (bucket: number): number => {
  if (bucket < subBuckets) return bucket
  const shift = Math.floor(bucket / subBuckets) - 1
  return (subBuckets + (bucket % subBuckets) + 0.5) * 2 ** shift
}

export interface LatencyPercentiles {
  readonly p50Us: Microseconds
  readonly p99Us: Microseconds
  readonly p999Us: Microseconds
  readonly maxUs: Microseconds
}

export class LatencyHistogram {
  private readonly buckets = new Float64Array(octaves * subBuckets)
  private maxUs = 0
  count = 0

  add(us: Microseconds, times: number): void {
    if (times <= 0) return
    this.buckets[bucketOf(us * 1000)]! += times
    this.count += times
    if (us > this.maxUs) this.maxUs = us
  }

  merge(other: LatencyHistogram): void {
    for (let i = 0; i < this.buckets.length; i++) this.buckets[i]! += other.buckets[i]!
    this.count += other.count
    this.maxUs = Math.max(this.maxUs, other.maxUs)
  }

  /** The latency that `fraction` of all operations did not exceed; NaN if there were none. */
  percentile(fraction: number): Microseconds {
    if (this.count === 0) return Number.NaN
    let seen = 0
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      seen += this.buckets[bucket]!
      if (seen >= fraction * this.count) return Math.min(this.maxUs, valueOf(bucket) / 1000)
    }
    return this.maxUs
  }

  percentiles(): LatencyPercentiles {
    return { p50Us: this.percentile(0.5), p99Us: this.percentile(0.99), p999Us: this.percentile(0.999), maxUs: this.maxUs }
  }
}
