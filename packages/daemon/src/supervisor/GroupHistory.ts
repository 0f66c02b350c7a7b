/**
 * The last quarter of an hour of one group, for charts: a value of each series for every five seconds, in one array of a fixed size (2.9 KB), so that a
 * thousand groups cost 3 MB. Amounts are those at the end of a slot, rates the mean over it; a slot in which nobody looked has none. Keeps nothing
 * older and nothing exact (single precision): the recording does.
 */
import type { Milliseconds } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { History } from "../protocol/Status.ts"

const slotMs: Milliseconds = 5000
const slots = 180
/** Between two looks that are no further apart, slots take what the later one saw: it is the mean over all of them. */
const fillAtMostMs = 60_000

const series = ["current_bytes", "saved_bytes", "pressure_percent", "refaults_per_second"] as const

/** What is out of memory, less what zswap's compressed copies take of it; undefined where the kernel does not count swap. */
export const savedBytes = ({ usage }: Observation): number | undefined =>
  usage.swapCurrentBytes === undefined ? undefined : Math.max(0, usage.swapCurrentBytes - (usage.zswapCurrentBytes ?? 0))

/** What rates are made of. Counters as numbers: exact below 2^53. */
interface Reading {
  readonly atMs: Milliseconds
  /** NaN: this kernel does not count. */
  readonly stallUs: number
  readonly refaults: number
}

const readingOf = ({ atMs, pressure, stat }: Observation): Reading => ({
  atMs,
  stallUs: pressure?.some === undefined ? Number.NaN : Number(pressure.some.totalUs),
  refaults: Number((stat.workingset_refault_anon ?? 0n) + (stat.workingset_refault_file ?? 0n))
})

/** Growth a millisecond; NaN where there is nothing to compare with. A counter that went backwards belongs to a group that was made anew. */
const rate = (now: Reading, before: Reading | undefined, of: (reading: Reading) => number): number =>
  before === undefined || now.atMs <= before.atMs ? Number.NaN : Math.max(0, of(now) - of(before)) / (now.atMs - before.atMs)

export class GroupHistory {
  private readonly values = new Float32Array(series.length * slots).fill(Number.NaN)
  /** Slots since 1970; that of the last look. */
  private slot = -1
  /** The last look before this slot began. */
  private anchor: Reading | undefined
  private last: Reading | undefined

  add(observation: Observation): void {
    const now = readingOf(observation)
    if (this.last !== undefined && now.atMs < this.last.atMs) this.clear()
    const slot = Math.floor(now.atMs / slotMs)
    const missed = this.last === undefined ? 0 : Math.min(slots, Math.max(0, slot - this.slot - 1))
    if (slot !== this.slot) this.anchor = this.last
    const values = [
      observation.usage.currentBytes,
      savedBytes(observation) ?? Number.NaN,
      rate(now, this.anchor, ({ stallUs }) => stallUs) / 10,
      rate(now, this.anchor, (reading) => reading.refaults) * 1000
    ]
    const isGap = missed * slotMs > fillAtMostMs
    for (let at = slot - missed; at < slot; at++) this.put(at, isGap ? undefined : values)
    this.put(slot, values)
    this.slot = slot
    this.last = now
  }

  private put(slot: number, values: ReadonlyArray<number> | undefined): void {
    for (let i = 0; i < series.length; i++) this.values[i * slots + (slot % slots)] = values?.[i] ?? Number.NaN
  }

  /** The clock was set back: what was seen belongs nowhere. */
  private clear(): void {
    this.values.fill(Number.NaN)
    this.slot = -1
    this.anchor = undefined
    this.last = undefined
  }

  /** Pages that came back, a second, in the last slot that is complete, or in the one that is not. */
  get refaultsPerSecond(): number | undefined {
    const of = (slot: number) => this.values[series.indexOf("refaults_per_second") * slots + (slot % slots)]!
    const known = this.slot < 1 ? [] : [of(this.slot - 1), of(this.slot)]
    return known.find((value) => !Number.isNaN(value))
  }

  read(): History | undefined {
    if (this.last === undefined) return undefined
    const first = this.slot - slots + 1
    const of = (name: (typeof series)[number]) => {
      const from = series.indexOf(name) * slots
      return Array.from({ length: slots }, (_, i) => {
        const value = this.values[from + ((first + i) % slots)]!
        return Number.isNaN(value) ? null : Math.round(value * 1000) / 1000
      })
    }
    return {
      end_ms: (this.slot + 1) * slotMs,
      slot_ms: slotMs,
      current_bytes: of("current_bytes"),
      saved_bytes: of("saved_bytes"),
      pressure_percent: of("pressure_percent"),
      refaults_per_second: of("refaults_per_second")
    }
  }
}
