/**
 * What all memory workloads are made of: touches that are timed, passes, operations at a pace, and turns at which whoever shares the thread (the
 * arena's controller) goes on. Passes run at full speed and give the thread away once a millisecond.
 */
import type { Milliseconds } from "@wmo/core"
import { Effect } from "effect"
import { makeForgetful } from "../forgetful.ts"
import type { Meter, PhaseName } from "./Meter.ts"
import type { TouchedMemory } from "./TouchedMemory.ts"

const turnMs: Milliseconds = 1
const pagesBetweenLooks = 16
/** At full speed, one touch in so many is timed: timing costs as much as touching. */
const timedOneIn = 8

export interface MemoryRunOptions {
  readonly memory: TouchedMemory
  readonly meter: Meter
  /** By `performance.now()`. */
  readonly startMs: Milliseconds
  readonly durationMs: Milliseconds
  readonly warmupMs: Milliseconds
  /** First touches are of so many pages together, left alone for so long. */
  readonly chunkPages: number
  readonly coldMs: Milliseconds
  /** Makes the processor forget its translations so often; 0 never. See `forgetful.ts`. */
  readonly forgetEveryMs: Milliseconds
  readonly onMeasuring: () => void
}

export class MemoryRun {
  readonly memory: TouchedMemory
  readonly meter: Meter
  readonly startMs: Milliseconds
  readonly endMs: Milliseconds
  readonly #options: MemoryRunOptions
  readonly #touchedMs: Float64Array
  readonly #forget = makeForgetful()
  #nextForgetMs: Milliseconds

  constructor(options: MemoryRunOptions) {
    this.memory = options.memory
    this.meter = options.meter
    this.startMs = options.startMs
    this.endMs = options.startMs + options.durationMs
    this.#options = options
    const chunks = Math.ceil(options.memory.content.pages / options.chunkPages)
    this.#touchedMs = new Float64Array(chunks).fill(Number.NEGATIVE_INFINITY)
    this.#nextForgetMs = options.forgetEveryMs > 0 ? options.startMs : Infinity
  }

  /** Touches a page at `nowMs`; gives the time after it. */
  touch(page: number, phase: PhaseName, nowMs: Milliseconds): Milliseconds {
    const chunk = Math.floor(page / this.#options.chunkPages)
    const isFirst = nowMs - this.#touchedMs[chunk]! >= this.#options.coldMs
    this.memory.touch(page)
    const afterMs = performance.now()
    this.#touchedMs[chunk] = afterMs
    this.meter.record(phase, afterMs - nowMs)
    if (isFirst) this.meter.record("cold_touch", afterMs - nowMs)
    return afterMs
  }

  /** Touches every page in order; ends early at `untilMs`. `isTimed`: each touch, else a sample of them. */
  pass(phase: PhaseName, isTimed: boolean, untilMs: Milliseconds): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { pages } = this.memory.content
      let nowMs = performance.now()
      let turnAtMs = nowMs + turnMs
      for (let page = 0; page < pages; page++) {
        if (isTimed || page % timedOneIn === 0) {
          const touchedMs = isTimed ? nowMs : performance.now()
          nowMs = this.touch(page, phase, touchedMs)
          this.meter.operation(nowMs - touchedMs)
        } else this.memory.touch(page)
        if (page % pagesBetweenLooks !== pagesBetweenLooks - 1) continue
        if (!isTimed) nowMs = performance.now()
        this.meter.count(pagesBetweenLooks, nowMs)
        if (nowMs < turnAtMs) continue
        if (nowMs >= untilMs) return
        yield* this.turn
        nowMs = performance.now()
        turnAtMs = nowMs + turnMs
      }
    })
  }

  /** Operation after operation, each when it is due (by the run's start) or as soon after it as can be, until the run's time is over. */
  paced(
    dueMs: (operation: number) => Milliseconds,
    operate: (operation: number, nowMs: Milliseconds) => Milliseconds
  ): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      let operation = 0
      let due = this.startMs
      while (true) {
        let nowMs = performance.now()
        const before = operation
        const turnAtMs = nowMs + turnMs
        while (due <= nowMs && nowMs < turnAtMs) {
          const startedMs = nowMs
          nowMs = operate(operation, nowMs)
          this.meter.operation(nowMs - startedMs)
          this.meter.record("response", nowMs - Math.max(due, this.startMs))
          due = this.startMs + dueMs(++operation)
        }
        this.meter.count(operation - before, nowMs)
        if (nowMs >= this.endMs) return
        if (due > nowMs) yield* this.until(Math.min(due, this.endMs))
        else yield* this.turn
      }
    })
  }

  /** Gives the thread to whoever waits for it. */
  readonly turn: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    const waitedFromMs = performance.now()
    yield* Effect.yieldNow
    const nowMs = performance.now()
    this.meter.record("turn_wait", nowMs - waitedFromMs)
    this.#look(nowMs)
  })

  until(atMs: Milliseconds): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const warmMs = this.startMs + this.#options.warmupMs
      // Idle time is measured, too.
      if (!this.meter.isStarted && warmMs < atMs) yield* this.#sleep(warmMs)
      yield* this.#sleep(atMs)
    })
  }

  #sleep(atMs: Milliseconds): Effect.Effect<void> {
    return Effect.suspend(() => Effect.sleep(Math.max(1, Math.ceil(atMs - performance.now())))).pipe(
      Effect.andThen(Effect.sync(() => this.#look(performance.now())))
    )
  }

  #look(nowMs: Milliseconds): void {
    if (!this.meter.isStarted && nowMs >= this.startMs + this.#options.warmupMs) {
      this.#options.onMeasuring()
      this.meter.start()
    }
    if (nowMs < this.#nextForgetMs) return
    this.#forget()
    this.#nextForgetMs = nowMs + this.#options.forgetEveryMs
  }
}
