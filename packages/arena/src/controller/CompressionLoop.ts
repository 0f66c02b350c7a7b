/**
 * One turn of the compression loop: chunks that are cold and that nothing expects, in slices, within the CPU budget; then the coldest tier
 * and the pool's compaction with what is left of it. Goes around all regions; looks at a bounded number of chunks a turn.
 */
import { formatBytes, formatDuration, type Milliseconds } from "@wmo/core"
import { Effect } from "effect"
import type { Arena } from "../Arena.ts"
import { ChunkState } from "../region/ChunkTable.ts"
import type { CompressJob } from "../region/Jobs.ts"
import type { CompressOutcome } from "../Store.ts"
import type { Compressor } from "../workers/ThreadCompressor.ts"
import { CpuBudget } from "./CpuBudget.ts"
import type { DecisionLog } from "./Decision.ts"
import type { RegionWatch } from "./RegionWatch.ts"
import type { ControllerSettings } from "./Settings.ts"

/** Chunks looked at a turn, and handed to another thread at a time. */
const mostLooks = 32_768
const mostJobs = 64

/** Once around all chunks, if that is not too many. */
const looksAround = (watches: ReadonlyArray<RegionWatch>): { left: number } => ({
  left: Math.min(
    mostLooks,
    watches.reduce((sum, { region }) => sum + region.chunks + 1, 0)
  )
})

type Look = (watch: RegionWatch, chunk: number) => boolean

/** Where a walk around all chunks is. */
class Walk {
  #region = 0
  #chunk = 0

  /** The next chunk that `look` says yes to, after at most `looks.left` looks. */
  next(watches: ReadonlyArray<RegionWatch>, looks: { left: number }, look: Look): readonly [RegionWatch, number] | undefined {
    while (looks.left > 0 && watches.length > 0) {
      if (this.#region >= watches.length) this.#region = 0
      const watch = watches[this.#region]!
      if (this.#chunk >= watch.region.chunks) {
        this.#region++
        this.#chunk = 0
        looks.left--
        continue
      }
      looks.left--
      const chunk = this.#chunk++
      if (look(watch, chunk)) return [watch, chunk]
    }
    return undefined
  }
}

export class CompressionLoop {
  readonly #arena: Arena
  #compressor: Compressor | undefined
  readonly #log: DecisionLog
  readonly #budget: CpuBudget
  readonly #cold = new Walk()
  readonly #coldest = new Walk()
  #spentMs = 0

  constructor(arena: Arena, log: DecisionLog, compressor: Compressor | undefined) {
    this.#arena = arena
    this.#log = log
    this.#compressor = compressor
    this.#budget = new CpuBudget(arena.now())
  }

  get isThreaded(): boolean {
    return this.#compressor !== undefined
  }

  /** The codec runs elsewhere from now on, if there is such a place. */
  moveTo(compressor: Compressor | undefined): void {
    if (compressor === undefined) return
    this.#compressor = compressor
    const reason = `${formatDuration(this.#spentMs)} went on compressing: it has a thread of its own from now on`
    this.#log.add({ atMs: this.#arena.now(), loop: "compression", reason })
  }

  /** CPU time of all of it so far. */
  get spentMs(): Milliseconds {
    return this.#spentMs
  }

  /** Says whether anything was compressed, or could not be for lack of budget or room. */
  readonly turn = Effect.fnUntraced(
    { self: this },
    function* (this: CompressionLoop, watches: ReadonlyArray<RegionWatch>, coldMs: Milliseconds, settings: ControllerSettings) {
      const nowMs = this.#arena.now()
      const holders = watches.filter(({ region }) => region.candidates > 0)
      const looks = looksAround(holders)
      const before = { ...this.#arena.counters }
      let isFull = false
      let isMore = true
      /** What the codec thread is at. It has the next batch before this one is stored, so that neither waits for the other. */
      let sent: Promise<ReadonlyArray<CompressOutcome>> | undefined
      while (isMore && !isFull && this.#budget.available(nowMs, settings.cpuPercent) > 0) {
        if (this.#compressor === undefined) isFull = this.#slice(holders, looks, nowMs, coldMs, settings).includes("full")
        else {
          const earlier = sent
          sent = this.#elsewhere(this.#compressor, holders, looks, nowMs, coldMs)
          if (earlier !== undefined) isFull = (yield* Effect.promise(() => earlier)).includes("full")
        }
        isMore = looks.left > 0
        yield* Effect.yieldNow
      }
      const last = sent
      if (last !== undefined) isFull = (yield* Effect.promise(() => last)).includes("full") || isFull
      this.#say(before, nowMs, coldMs, isFull)
      const isMoved = this.#budget.available(nowMs, settings.cpuPercent) > 0 && this.#demote(watches, nowMs, settings)
      this.#compact(nowMs, settings)
      const { compressed, incompressible } = this.#arena.counters
      return isMore || isFull || isMoved || compressed + incompressible > before.compressed + before.incompressible
    }
  )

  #isCold(nowMs: Milliseconds, coldMs: Milliseconds): Look {
    return (watch, chunk) => {
      const { region } = watch
      return nowMs - region.table.touchedAtMs[chunk]! >= coldMs && region.isCandidate(chunk) && watch.mayCompress(chunk, nowMs)
    }
  }

  /** On this thread, no longer than a slice. */
  #slice(
    watches: ReadonlyArray<RegionWatch>,
    looks: { left: number },
    nowMs: Milliseconds,
    coldMs: Milliseconds,
    { sliceMs, cpuPercent }: ControllerSettings
  ): ReadonlyArray<CompressOutcome> {
    const started = this.#arena.meter()
    const mostMs = Math.min(sliceMs, this.#budget.available(nowMs, cpuPercent))
    const outcomes: Array<CompressOutcome> = []
    const look = this.#isCold(nowMs, coldMs)
    for (let spentMs = 0; spentMs < mostMs && outcomes.at(-1) !== "full"; spentMs = this.#arena.meter() - started) {
      const found = this.#cold.next(watches, looks, look)
      if (found === undefined) break
      outcomes.push(found[0].region.compress(found[1]))
    }
    this.#arena.settle()
    this.#spend(this.#arena.meter() - started)
    return outcomes
  }

  /** On another thread, one batch, which is on its way when this returns. */
  async #elsewhere(
    compressor: Compressor,
    watches: ReadonlyArray<RegionWatch>,
    looks: { left: number },
    nowMs: Milliseconds,
    coldMs: Milliseconds
  ): Promise<ReadonlyArray<CompressOutcome>> {
    let started = this.#arena.meter()
    const jobs: Array<CompressJob> = []
    const outcomes: Array<CompressOutcome> = []
    const look = this.#isCold(nowMs, coldMs)
    while (jobs.length < mostJobs) {
      const found = this.#cold.next(watches, looks, look)
      if (found === undefined) break
      const begun = found[0].region.begin(found[1])
      if (typeof begun === "string") outcomes.push(begun)
      else jobs.push(begun)
    }
    this.#spend(this.#arena.meter() - started)
    if (jobs.length === 0) return outcomes
    const run = compressor.run(jobs, this.#arena.chunkBytes, this.#arena.keepRawAboveBytes)
    const reply = await run.catch((problem: unknown) => this.#giveUp(jobs, problem, nowMs))
    if (reply === undefined) return outcomes
    started = this.#arena.meter()
    for (const [at, job] of jobs.entries()) outcomes.push(job.region.finish(job, reply.results[at]))
    reply.done()
    this.#arena.settle()
    this.#arena.counters.compressMs += reply.cpuMs
    this.#spend(reply.cpuMs + this.#arena.meter() - started)
    return outcomes
  }

  /** The codec thread is no more: what it was at is as if it had never begun. */
  #giveUp(jobs: ReadonlyArray<CompressJob>, problem: unknown, nowMs: Milliseconds): undefined {
    for (const job of jobs) job.region.abandon(job)
    if (this.#compressor === undefined) return
    this.#compressor = undefined
    this.#log.add({ atMs: nowMs, loop: "compression", reason: `${String(problem)}: compressing in slices from now on` })
  }

  #demote(watches: ReadonlyArray<RegionWatch>, nowMs: Milliseconds, { coldestMs, cpuPercent, sliceMs }: ControllerSettings): boolean {
    if (coldestMs === Infinity) return false
    const holders = watches.filter(({ region }) => region.compressedChunks > 0)
    const looks = looksAround(holders)
    const started = this.#arena.meter()
    const mostMs = Math.min(sliceMs, this.#budget.available(nowMs, cpuPercent))
    let saved = 0
    let moved = 0
    const look: Look = ({ region: { table } }, chunk) =>
      table.state[chunk] === ChunkState.compressed && table.tier[chunk] === 0 && nowMs - table.touchedAtMs[chunk]! >= coldestMs
    for (let spentMs = 0; spentMs < mostMs; spentMs = this.#arena.meter() - started) {
      const found = this.#coldest.next(holders, looks, look)
      if (found === undefined) break
      const bytes = found[0].region.demote(found[1])
      saved += bytes
      if (bytes > 0) moved++
    }
    this.#spend(this.#arena.meter() - started)
    if (moved === 0) return false
    const reason = `${moved} chunks idle for ${formatDuration(coldestMs)} are in the coldest tier, ${formatBytes(saved)} smaller`
    this.#log.add({ atMs: nowMs, loop: "compression", reason })
    return true
  }

  #compact(nowMs: Milliseconds, { compactAbovePercent, compactBytes }: ControllerSettings): void {
    const { heldBytes, slotBytes, warmBytes } = this.#arena.poolStats()
    const lost = heldBytes - slotBytes - warmBytes
    if (lost * 100 <= compactAbovePercent * heldBytes || lost < 2 ** 20) return
    const started = this.#arena.meter()
    const { slabsCompacted } = this.#arena.poolStats()
    this.#arena.compact(compactBytes)
    this.#spend(this.#arena.meter() - started)
    const emptied = this.#arena.poolStats().slabsCompacted - slabsCompacted
    if (emptied === 0) return
    const percent = ((100 * lost) / heldBytes).toFixed(0)
    const reason = `${percent} % of the pool lay between slots, ${compactAbovePercent} % may: ${emptied} slabs emptied`
    this.#log.add({ atMs: nowMs, loop: "compression", reason })
  }

  #spend(ms: Milliseconds): void {
    this.#spentMs += ms
    this.#budget.spend(ms)
  }

  #say(before: Arena["counters"], nowMs: Milliseconds, coldMs: Milliseconds, isFull: boolean): void {
    const { counters } = this.#arena
    const compressed = counters.compressed - before.compressed
    const kept = counters.incompressible - before.incompressible
    if (compressed + kept === 0 && !isFull) return
    const parts = [
      `${compressed} chunks idle for ${formatDuration(coldMs)} compressed`,
      ...(kept > 0 ? [`${kept} kept raw, they would save too little`] : []),
      ...(isFull ? [`the pool's ${formatBytes(this.#arena.poolBytes)} are full`] : [])
    ]
    this.#log.add({ atMs: nowMs, loop: "compression", reason: parts.join("; ") })
  }
}
