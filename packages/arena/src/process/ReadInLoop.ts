/** Asks the predictor, and reads in what it expects before it is touched, in batches, within a share of a core. */
import { formatBytes, type Milliseconds, pageSize } from "@wmo/core"
import { Clock, Effect } from "effect"
import { CpuBudget } from "../controller/CpuBudget.ts"
import { ChunkPlace } from "./ProcessChunks.ts"
import type { ProcessState } from "./ProcessState.ts"

/** What predictors want is said once for all of a while. */
const waveMs = 1000

export class ReadInLoop {
  readonly #state: ProcessState
  /** Wanted by predictors, and read in, since it was said last. */
  #wave = { sinceMs: 0, planned: 0, bytes: 0, ms: 0 }
  #isStarved = false

  constructor(state: ProcessState) {
    this.#state = state
  }

  readonly prefetch = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      const cpu = new CpuBudget(yield* Clock.currentTimeMillis)
      while (true) {
        const isMore = yield* this.#restoreNext(cpu).pipe(Effect.catch((error) => this.#state.failed(error, "prefetch")))
        if (isMore !== true) yield* Effect.timeoutOption(this.#woken, this.#state.settings.prefetchTickMs)
      }
    })
  )

  /** Plans, and reads in one batch. Says whether there is more to do at once. */
  readonly #restoreNext = Effect.fnUntraced({ self: this }, function* (this: ReadInLoop, cpu: CpuBudget) {
    const nowMs = yield* Clock.currentTimeMillis
    const { batchBytes, horizonMs, leastConfidence, prefetchTickMs, restoreCpuPercent } = this.#state.settings
    const beforeNanos = yield* Clock.currentTimeNanos
    this.#state.tune()
    const planned = this.#state.expectations.plan(nowMs, { horizonMs, leastConfidence, marginMs: prefetchTickMs })
    this.#state.predictMs += Number((yield* Clock.currentTimeNanos) - beforeNanos) / 1e6
    if (planned > 0 && this.#wave.planned === 0) this.#wave.sinceMs = nowMs
    this.#wave.planned += planned
    this.#sayWave(nowMs)
    if (this.#state.expectations.waiting === 0) return false
    if (cpu.available(nowMs, restoreCpuPercent) <= 0) {
      if (!this.#isStarved)
        this.#state.say(
          "prefetch",
          `${this.#state.expectations.waiting} chunks wait: reading in takes more than ${restoreCpuPercent} % of a core`
        )
      this.#isStarved = true
      return false
    }
    this.#isStarved = false
    const slots = this.#state.expectations.take(batchBytes)
    if (slots.length === 0) return false
    yield* this.#readIn(slots, cpu)
    return true
  })

  #sayWave(nowMs: Milliseconds): void {
    const { bytes, ms, planned, sinceMs } = this.#wave
    if (planned === 0 || this.#state.expectations.waiting > 0 || nowMs - sinceMs < waveMs || this.#state.options.mode === "watch") return
    this.#wave = { sinceMs: nowMs, planned: 0, bytes: 0, ms: 0 }
    const done = bytes === 0 ? "all of them in memory already, and kept" : `${formatBytes(bytes)} read in, in ${ms.toFixed(0)} ms`
    this.#state.say("prefetch", `${planned} chunks expected soon: ${done}; ${this.#state.expectations.predictor.explain()}`)
  }

  readonly #readIn = Effect.fnUntraced({ self: this }, function* (this: ReadInLoop, slots: ReadonlyArray<number>, cpu: CpuBudget) {
    const isReal = this.#state.options.mode === "advise"
    const chunks = this.#state.chunks
    const expectations = this.#state.expectations
    // What is there again already has been touched; the rest of it is still worth reading in.
    if (isReal) for (const slot of yield* this.#state.rescan(slots)) this.#state.touch(slot, yield* Clock.currentTimeMillis, false)
    const { swapped } = this.#state.sumOf(slots)
    if (isReal) for (const slot of slots) chunks.wasReadIn[slot] = 1
    const beforeNanos = yield* Clock.currentTimeNanos
    // Not asked for again before they would be cold once more.
    const giveUp = Effect.map(Clock.currentTimeMillis, (nowMs) => {
      if (expectations !== this.#state.expectations) return
      for (const slot of slots) {
        chunks.wasReadIn[slot] = 0
        chunks.restUntilMs[slot] = nowMs + this.#state.coldMs
        expectations.giveUp(slot)
      }
    })
    const wantedBytes = slots.reduce((sum, slot) => sum + chunks.bytesOf(slot), 0)
    const { bytes, refused } = yield* this.#state.options.advisor
      .advise("willneed", this.#state.rangesOf(slots), this.#state.settings.batchBytes)
      .pipe(Effect.tapError(() => giveUp))
    const ms = Number((yield* Clock.currentTimeNanos) - beforeNanos) / 1e6
    if (expectations === this.#state.expectations) this.#state.advised(slots)
    cpu.spend(ms)
    this.#state.readInMs += ms
    if (refused !== undefined && bytes < wantedBytes / 2) {
      this.#state.say("prefetch", `the kernel would not read in ${slots.length} chunks (${refused})`)
      return yield* giveUp
    }
    if (swapped > 0 && ms > 0) this.#state.readMsPerByte += (ms / (swapped * pageSize) - this.#state.readMsPerByte) / 4
    this.#state.readInBytes += swapped * pageSize
    this.#wave.bytes += swapped * pageSize
    this.#wave.ms += ms
    // Touched while it was being read in.
    if (isReal) for (const slot of yield* this.#state.rescan(slots)) this.#state.touch(slot, yield* Clock.currentTimeMillis, false)
    if (expectations !== this.#state.expectations) return
    const nowMs = yield* Clock.currentTimeMillis
    for (const slot of slots) if (chunks.place[slot] === ChunkPlace.out) expectations.wasReadIn(slot, nowMs)
  })

  readonly #woken: Effect.Effect<void> = Effect.callback((resume) => {
    this.#state.wake = () => {
      this.#state.wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.#state.wake = undefined
    })
  })
}
