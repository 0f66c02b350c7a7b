/**
 * What the loops of the process arena share: the chunks, what is expected of them, the figures; what each may do to them; what a failure
 * means. Does not run by itself.
 */
import { type Bytes, type Milliseconds, PageMap, pageSize, type ProcessIdentity } from "@wmo/core"
import { Deferred, Effect } from "effect"
import { type Decision, DecisionLog } from "../controller/Decision.ts"
import type { PredictorKind } from "../predictors/Predictor.ts"
import { emptyTally } from "../predictors/Score.ts"
import type { MemoryOf } from "./account.ts"
import { type Advisor, type AdviceRange, isEndOfProcess, isForbidden } from "./Advisor.ts"
import type { DamonTouches } from "./DamonTouches.ts"
import type { Sorted } from "./eligible.ts"
import { Expectations } from "./Expectations.ts"
import { PressureBackOff } from "./PressureBackOff.ts"
import { ProcessChunks } from "./ProcessChunks.ts"
import type { ProcessSettings } from "./ProcessSettings.ts"
import type { ProcessMode } from "./ProcessStatus.ts"

/** Reading in is never as regular as it was measured. */
const restoreReserve = 1.25
/** Before anything was read in: 2 ms for 2 MiB. */
const firstReadMsPerByte = 2 / 2 ** 21

export interface LoopOptions {
  readonly identity: ProcessIdentity
  readonly name: string
  readonly mode: ProcessMode
  readonly settings: ProcessSettings
  readonly predictor: PredictorKind
  readonly advisor: Advisor
  readonly damon: DamonTouches
  readonly swap: string
  readonly group: string | undefined
  readonly before: MemoryOf
  readonly ended: Deferred.Deferred<string>
  readonly onDecision: ((decision: Decision) => void) | undefined
}

export class ProcessState {
  readonly options: LoopOptions
  readonly log = new DecisionLog()
  readonly backOff = new PressureBackOff()
  settings: ProcessSettings
  chunks: ProcessChunks
  /** Goes on when predictors learn anew. */
  readonly tally = emptyTally()
  expectations: Expectations
  coldMs: Milliseconds
  stallPercent = 0
  readMsPerByte = firstReadMsPerByte
  readonly startMs: Milliseconds
  nowMs: Milliseconds
  unfit: Sorted["unfit"] = {}
  now: MemoryOf
  heldShare = 1
  outBytes = 0
  mostOutBytes = 0
  pagedOutBytes = 0
  readInBytes = 0
  demandBytes = 0
  majorFaults = 0
  savedByteMs = 0
  wholeByteMs = 0
  pageOutMs = 0
  readInMs = 0
  predictMs = 0
  wake: (() => void) | undefined

  /** Looks at the page tables that have begun so far. */
  looks = 0

  constructor(options: LoopOptions, nowMs: Milliseconds) {
    this.options = options
    this.settings = options.settings
    this.startMs = this.nowMs = nowMs
    this.now = options.before
    this.coldMs = options.settings.coldMs
    this.chunks = new ProcessChunks(options.settings.chunkBytes)
    this.expectations = this.learnAnew()
  }

  learnAnew(): Expectations {
    return new Expectations(this.chunks, this.options.predictor, this.coldMs, this.oneReadMs(), this.tally)
  }

  tune(): void {
    this.expectations.tune(this.coldMs, this.oneReadMs())
  }

  oneReadMs(): Milliseconds {
    return restoreReserve * this.readMsPerByte * this.chunks.chunkBytes
  }

  /** `isExact`: as DAMON saw it. What the page tables tell happened some time since the last look. */
  touch(slot: number, atMs: Milliseconds, isExact: boolean): void {
    // Somebody had to wait: what comes next may be known now.
    if (this.expectations.touch(slot, atMs, isExact)) this.wake?.()
  }

  isOldEnough(slot: number, nowMs: Milliseconds): boolean {
    return nowMs - this.chunks.sinceMs[slot]! >= this.settings.leastAgeMs
  }

  sumOf(slots: ReadonlyArray<number>): { readonly present: number; readonly swapped: number } {
    let present = 0
    let swapped = 0
    for (const slot of slots) {
      present += this.chunks.present[slot]!
      swapped += this.chunks.swapped[slot]!
    }
    return { present, swapped }
  }

  rangesOf(slots: ReadonlyArray<number>): ReadonlyArray<AdviceRange> {
    const ranges: Array<{ start: number; bytes: Bytes }> = []
    for (const { bytes, start } of slots.flatMap((slot) => this.chunks.parts[slot]!).toSorted((a, b) => a.start - b.start)) {
      const last = ranges.at(-1)
      if (last !== undefined && last.start + last.bytes === start) last.bytes += bytes
      else ranges.push({ start, bytes })
    }
    return ranges
  }

  /** These were advised on just now: looks that are under way do not know. */
  advised(slots: ReadonlyArray<number>): void {
    const look = ++this.looks
    for (const slot of slots) this.chunks.lookedAt[slot] = look
  }

  /** Looks at the page tables of these chunks; gives those of which more is present than before. */
  readonly rescan = Effect.fnUntraced({ self: this }, function* (this: ProcessState, slots: ReadonlyArray<number>) {
    const chunks = this.chunks
    const { generation } = chunks
    const look = ++this.looks
    const scan = yield* (yield* PageMap).scan(
      this.options.identity.pid,
      this.rangesOf(slots).map(({ bytes, start }) => ({ start: BigInt(start), bytes }))
    )
    if (chunks !== this.chunks || generation !== chunks.generation) return []
    const counts = chunks.countPages(scan.runs)
    const moreThere: Array<number> = []
    for (const slot of slots) {
      const { present, swapped } = counts.get(slot) ?? { present: 0, swapped: 0 }
      if (chunks.lookedAt[slot]! > look) continue
      chunks.lookedAt[slot] = look
      if (present > chunks.present[slot]!) moreThere.push(slot)
      if (chunks.wasReadIn[slot] === 0) this.demandBytes += Math.max(0, chunks.swapped[slot]! - swapped) * pageSize
      chunks.present[slot] = present
      chunks.swapped[slot] = swapped
    }
    return moreThere
  })

  say(loop: Decision["loop"], reason: string, region?: string): void {
    const decision: Decision = { atMs: this.nowMs, loop, reason, ...(region === undefined ? {} : { region }) }
    this.log.add(decision)
    this.options.onDecision?.(decision)
  }

  end(why: string): Effect.Effect<void> {
    return Effect.asVoid(Deferred.succeed(this.options.ended, why))
  }

  /** What a failure means: the end of the process, of our rights, or something passing, which is said and tried again. */
  failed(error: unknown, loop: Decision["loop"]): Effect.Effect<void> {
    if (isEndOfProcess(error)) return this.end("the process has ended")
    if (isForbidden(error)) return this.end(`not permitted any more: ${(error as Error).message}`)
    return Effect.sync(() => this.say(loop, error instanceof Error ? error.message : String(error)))
  }
}
