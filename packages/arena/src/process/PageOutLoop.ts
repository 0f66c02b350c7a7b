/** Pages out what is cold and what nothing expects, in batches, within bytes and CPU a second; not while somebody stalls for memory. */
import { type Bytes, formatBytes, formatDuration, type Milliseconds, pageSize } from "@wmo/core"
import { Clock, Effect } from "effect"
import { CpuBudget } from "../controller/CpuBudget.ts"
import { ByteBudget } from "./ByteBudget.ts"
import { ChunkPlace } from "./ProcessChunks.ts"
import type { ProcessState } from "./ProcessState.ts"

/** What the kernel does not take is not offered again for a cold age, and twice as long each time after. */
const mostRefusals = 8
/** A chunk with less of it in memory is not worth a call, nor a prediction. */
const worthPages = (chunkBytes: Bytes): number => chunkBytes / 16 / pageSize

export class PageOutLoop {
  readonly #state: ProcessState

  constructor(state: ProcessState) {
    this.#state = state
  }

  readonly compression = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      const nowMs = yield* Clock.currentTimeMillis
      const bytes = new ByteBudget(nowMs)
      const cpu = new CpuBudget(nowMs)
      while (true) {
        yield* Effect.sleep(this.#state.settings.compressTickMs)
        yield* this.#pageOut(bytes, cpu).pipe(Effect.catch((error) => this.#state.failed(error, "compression")))
      }
    })
  )

  readonly #pageOut = Effect.fnUntraced({ self: this }, function* (this: PageOutLoop, bytes: ByteBudget, cpu: CpuBudget) {
    const { mode } = this.#state.options
    const started = { bytes: 0, went: 0, chunks: 0, ms: 0, names: new Set<string>(), refused: undefined as string | undefined }
    const coldMs = this.#state.coldMs
    while (true) {
      const nowMs = yield* Clock.currentTimeMillis
      const { batchBytes, cpuPercent, pageOutBytesPerSecond } = this.#state.settings
      const left = bytes.available(nowMs, pageOutBytesPerSecond)
      if (this.#state.backOff.isPaused(nowMs) || left <= 0 || cpu.available(nowMs, cpuPercent) <= 0) break
      const expectations = this.#state.expectations
      const slots = this.#coldest(nowMs, batchBytes)
      if (slots.length === 0) break
      // What came back and went cold since the last look came back all the same.
      if (mode === "advise") yield* this.#state.rescan(slots)
      const before = this.#state.sumOf(slots)
      const beforeNanos = yield* Clock.currentTimeNanos
      const { refused } = yield* this.#state.options.advisor
        .advise("pageout", this.#state.rangesOf(slots), batchBytes)
        .pipe(Effect.tapError(() => Effect.sync(() => this.#rest(slots, nowMs))))
      const ms = Number((yield* Clock.currentTimeNanos) - beforeNanos) / 1e6
      const atMs = yield* Clock.currentTimeMillis
      if (expectations === this.#state.expectations) this.#state.advised(slots)
      if (mode === "advise") yield* this.#state.rescan(slots)
      if (expectations !== this.#state.expectations) break
      const went = mode === "advise" ? this.#state.sumOf(slots).swapped - before.swapped : before.present
      for (const slot of slots) this.#isOut(slot, atMs, mode === "advise")
      bytes.spend(slots.reduce((sum, slot) => sum + this.#state.chunks.bytesOf(slot), 0))
      cpu.spend(ms)
      this.#state.pageOutMs += ms
      this.#state.pagedOutBytes += Math.max(0, went) * pageSize
      started.went += Math.max(0, went) * pageSize
      started.bytes += before.present * pageSize
      started.chunks += slots.length
      started.ms += ms
      started.refused ??= refused
      for (const slot of slots) started.names.add(this.#state.chunks.names[slot]!)
    }
    if (started.chunks === 0) return
    const would =
      mode === "dry-run"
        ? "would be paged out"
        : `paged out: ${formatBytes(started.went)} of ${formatBytes(started.bytes)} went, in ${started.ms.toFixed(0)} ms`
    const left =
      started.went < started.bytes / 2
        ? `; the rest is in use, shared, or was refused${started.refused === undefined ? "" : ` (${started.refused})`}`
        : ""
    this.#state.say(
      "compression",
      `${started.chunks} chunks untouched for ${formatDuration(coldMs)} ${would}${left}`,
      [...started.names].join(", ")
    )
  })

  /** Those that are cold and that nothing expects, in the order of their numbers from the coldest on, at most so many bytes. */
  #coldest(nowMs: Milliseconds, mostBytes: Bytes): ReadonlyArray<number> {
    const { place, present, restUntilMs, touchedAtMs } = this.#state.chunks
    const cold: Array<number> = []
    const leastPages = worthPages(this.#state.chunks.chunkBytes)
    for (let slot = 0; slot < this.#state.chunks.capacity; slot++) {
      // Only to settle what was expected: what is in the swap cache, the kernel alone takes out again.
      if (place[slot] === ChunkPlace.restored) this.#state.expectations.mayPageOut(slot, nowMs)
      if (place[slot] !== ChunkPlace.raw || present[slot]! < leastPages || nowMs - touchedAtMs[slot]! < this.#state.coldMs) continue
      if (!this.#state.isOldEnough(slot, nowMs) || restUntilMs[slot]! > nowMs || this.#state.chunks.isSeen[slot] === 0) continue
      if (this.#state.expectations.mayPageOut(slot, nowMs)) cold.push(slot)
    }
    cold.sort((a, b) => Math.round((touchedAtMs[a]! - touchedAtMs[b]!) / 1000) || a - b)
    const taken: Array<number> = []
    let bytes = 0
    for (const slot of cold) {
      bytes += this.#state.chunks.bytesOf(slot)
      if (taken.length > 0 && bytes > mostBytes) break
      taken.push(slot)
    }
    return taken
  }

  #isOut(slot: number, nowMs: Milliseconds, isReal: boolean): void {
    const chunks = this.#state.chunks
    if (chunks.place[slot] !== ChunkPlace.raw) return
    chunks.wasReadIn[slot] = 0
    if (!isReal || chunks.swapped[slot]! > chunks.present[slot]!) {
      this.#state.expectations.wentOut(slot)
      chunks.refusals[slot] = 0
      return
    }
    this.#rest([slot], nowMs)
  }

  /** The kernel would not: not offered again for a while, and longer each time. */
  #rest(slots: ReadonlyArray<number>, nowMs: Milliseconds): void {
    const { refusals, restUntilMs } = this.#state.chunks
    for (const slot of slots) {
      refusals[slot] = Math.min(mostRefusals, refusals[slot]! + 1)
      restUntilMs[slot] = nowMs + this.#state.coldMs * 2 ** refusals[slot]!
    }
  }
}
