/** What is touched, as DAMON tells; how long the target waited, and what that makes of the cold age; pressure. */
import { formatDuration, type Milliseconds, Pressure } from "@wmo/core"
import { Clock, Effect, Stream } from "effect"
import { adaptColdAge } from "../controller/coldAge.ts"
import type { TouchedRange } from "./DamonTouches.ts"
import type { ProcessState } from "./ProcessState.ts"

/** The cold age creeps: what is said of it is a step of this share. */
const worthSaying = 0.2

export class HotnessLoop {
  readonly #state: ProcessState
  #adaptedAtMs: Milliseconds
  #demandBytesBefore = 0
  #saidColdMs: Milliseconds

  constructor(state: ProcessState) {
    this.#state = state
    this.#adaptedAtMs = state.nowMs
    this.#saidColdMs = state.coldMs
  }

  /** Takes DAMON's touches as they come. */
  readonly hotness = Effect.suspend(() =>
    Stream.runForEach(this.#state.options.damon.touches, (touched) => Effect.sync(() => this.#touched(touched)))
  ).pipe(
    Effect.catch((error) => this.#state.failed(error, "hotness")),
    Effect.andThen(Effect.never)
  )

  #touched(touched: ReadonlyArray<TouchedRange>): void {
    const { chunkBytes } = this.#state.chunks
    for (const { end, fromMs, start } of touched) {
      for (let at = start; at < end; at = at - (at % chunkBytes) + chunkBytes) {
        const slot = this.#state.chunks.slotAt(at)
        if (slot >= 0) this.#state.touch(slot, fromMs, true)
      }
    }
  }

  /** The cold age, by how long the target waited; and pressure. */
  readonly adapting = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      while (true) {
        yield* this.#adapt()
        yield* Effect.sleep(this.#state.settings.adaptMs)
      }
    })
  )

  readonly #adapt = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const nowMs = yield* Clock.currentTimeMillis
        this.#state.nowMs = nowMs
        const pauseMs = this.#state.backOff.observe(yield* this.#stalledUs(), nowMs, this.#state.settings.mostPressurePercent)
        if (pauseMs !== undefined) {
          const whose =
            this.#state.options.group === undefined || this.#state.options.group === ""
              ? "the machine"
              : `group ${this.#state.options.group}`
          this.#state.say(
            "compression",
            `${whose} stalls for memory ${this.#state.backOff.percent!.toFixed(1)} % of the time, ${this.#state.settings.mostPressurePercent} % may be: nothing is paged out for ${formatDuration(pauseMs)}`
          )
        }
        const elapsedMs = nowMs - this.#adaptedAtMs
        if (elapsedMs <= 0 || this.#state.options.mode === "watch") return
        const waitedMs = (this.#state.demandBytes - this.#demandBytesBefore) * this.#state.readMsPerByte
        this.#state.stallPercent = (100 * waitedMs) / elapsedMs
        this.#demandBytesBefore = this.#state.demandBytes
        this.#adaptedAtMs = nowMs
        const adapted = adaptColdAge(
          this.#state.coldMs,
          { stallPercent: this.#state.stallPercent, pressurePercent: undefined },
          this.#state.settings
        )
        if (adapted === undefined) return
        this.#state.coldMs = adapted.coldMs
        this.#state.tune()
        if (Math.abs(adapted.coldMs - this.#saidColdMs) < worthSaying * this.#saidColdMs) return
        this.#saidColdMs = adapted.coldMs
        this.#state.say("hotness", adapted.reason)
      })
    )

  readonly #stalledUs = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const pressure = yield* Pressure
        const { group } = this.#state.options
        const reading = yield* group === undefined || group === ""
          ? pressure.machine("memory")
          : Effect.catch(pressure.group(group, "memory"), () => pressure.machine("memory"))
        return reading._tag === "Counting" ? reading.stall.some?.totalUs : undefined
      }).pipe(Effect.orElseSucceed(() => undefined))
    )
}
