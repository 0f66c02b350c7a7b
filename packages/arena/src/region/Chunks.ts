/**
 * The state machine of a region's chunks: raw → compressing → compressed → restoring → raw. The only place where a chunk changes its state,
 * and where it gets and loses its frame and its payload. Knows nothing of offsets, views or who asks; throws `ArenaError`.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { ArenaError, type ArenaReason } from "../ArenaError.ts"
import type { CompressOutcome, Store } from "../Store.ts"
import { ChunkState, ChunkTable, isIncompressible, isPrefetched, isTouched } from "./ChunkTable.ts"

/** `idleMs`: how long before that its last touch was. */
export type TouchListener = (chunk: number, atMs: Milliseconds, isWrite: boolean, wasCompressed: boolean, idleMs: Milliseconds) => void

/** One of so many attempts to compress is timed, and stands for all of them: asking for the time costs 2 % of a chunk of 4 KiB. */
const measuredOf = 8

export class Chunks {
  readonly table: ChunkTable
  /** Is told of touches at least a millisecond after the last one of their chunk. */
  onTouch: TouchListener | undefined
  readonly #store: Store
  readonly #regionName: string
  /** Attempts to compress so far. */
  #attempts = 0
  #raw = 0
  #compressed = 0
  #incompressible = 0

  constructor(store: Store, chunks: number, regionName: string) {
    this.table = new ChunkTable(chunks, store.now())
    this.#store = store
    this.#regionName = regionName
  }

  /** Chunks that have memory of their own. */
  get raw(): number {
    return this.#raw
  }

  get compressed(): number {
    return this.#compressed
  }

  get incompressible(): number {
    return this.#incompressible
  }

  /** Bytes of a chunk that has been touched and is raw since. */
  bytes(chunk: number, start?: Bytes, end?: Bytes): Uint8Array {
    return this.#store.frames.bytes(this.table.frame[chunk]!, start, end)
  }

  /** The same without an array for it. */
  write(chunk: number, start: Bytes, source: Uint8Array): void {
    this.#store.frames.write(this.table.frame[chunk]!, start, source)
  }

  read(chunk: number, start: Bytes, target: Uint8Array): void {
    this.#store.frames.read(this.table.frame[chunk]!, start, target)
  }

  /** Makes it raw, whatever it was, and remembers the touch. */
  touch(chunk: number, isWrite: boolean): void {
    const { flags, state, touchedAtMs, version } = this.table
    const flag = flags[chunk]!
    const nowMs = this.#store.now()
    let wasCompressed = false
    if (state[chunk] !== ChunkState.raw || (flag & ~(isWrite ? 0 : isIncompressible)) !== isTouched) {
      wasCompressed = this.#makeRaw(chunk, isWrite)
    }
    if (isWrite) version[chunk]!++
    const idleMs = nowMs - touchedAtMs[chunk]!
    touchedAtMs[chunk] = nowMs
    if (this.onTouch !== undefined && (idleMs >= 1 || wasCompressed)) this.onTouch(chunk, nowMs, isWrite, wasCompressed, idleMs)
  }

  /** All of it will be written next: what it held need not be restored, nor be zeros. */
  overwrite(chunk: number): void {
    const { frame, state } = this.table
    if (frame[chunk]! >= 0) return
    const given = this.#take(chunk, "anything")
    if (state[chunk] === ChunkState.compressed) {
      this.#store.counters.overwritten++
      this.#leave(chunk, given)
    } else frame[chunk] = given
  }

  /** It is zeros again, and costs nothing. */
  discard(chunk: number): void {
    const { flags, frame, payload, state, tier, version } = this.table
    if ((flags[chunk]! & isTouched) === 0) return
    if (state[chunk] === ChunkState.compressed) {
      this.#store.payloads.release(payload[chunk]!)
      payload[chunk] = -1
      tier[chunk] = 0
      this.#compressed--
    } else {
      this.#store.frames.give(frame[chunk]!)
      frame[chunk] = -1
      this.#raw--
    }
    state[chunk] = ChunkState.raw
    if ((flags[chunk]! & isIncompressible) !== 0) this.#incompressible--
    flags[chunk] = 0
    version[chunk]!++
  }

  /** Whether compressing it may be worth a try: it is raw, has been used, is not in view, and has not been tried in vain. */
  isCandidate(chunk: number): boolean {
    const { flags, pins, state } = this.table
    return state[chunk] === ChunkState.raw && pins[chunk] === 0 && (flags[chunk]! & (isTouched | isIncompressible)) === isTouched
  }

  /** Compresses a candidate. Never throws for lack of memory: it stays raw then. */
  compress(chunk: number): CompressOutcome {
    const { counters, meter } = this.#store
    const isMeasured = this.#attempts++ % measuredOf === 0
    const started = isMeasured ? meter() : 0
    const raw = this.bytes(chunk)
    const outcome = this.enter(chunk, this.#store.fillOf(raw) ?? this.orFull(() => this.#store.compress(raw)))
    if (isMeasured) counters.compressMs += measuredOf * (meter() - started)
    return outcome
  }

  /** From raw to compressed, if there is a payload. */
  enter(chunk: number, result: number | "incompressible" | "full"): CompressOutcome {
    const { flags, frame, payload, state } = this.table
    const { counters } = this.#store
    if (result === "incompressible") {
      counters.incompressible++
      flags[chunk]! |= isIncompressible
      this.#incompressible++
      return result
    }
    if (result === "full") {
      counters.poolFull++
      return result
    }
    payload[chunk] = result
    state[chunk] = ChunkState.compressed
    this.#store.frames.give(frame[chunk]!)
    frame[chunk] = -1
    this.#raw--
    this.#compressed++
    counters.compressed++
    if ((flags[chunk]! & isPrefetched) !== 0) {
      counters.earlyWasted++
      flags[chunk]! &= ~isPrefetched
    }
    if (!this.#store.isFill(result)) return "compressed"
    counters.filled++
    return "filled"
  }

  /** What storing gives, or that there is no room. */
  orFull<A>(store: () => A): A | "full" {
    try {
      return store()
    } catch (problem) {
      if (problem instanceof ArenaError && problem.reason._tag === "NoMemory") return "full"
      throw problem
    }
  }

  /** Decompresses a chunk before it is touched. False where there is nothing to do. */
  restoreEarly(chunk: number): boolean {
    if (this.table.state[chunk] !== ChunkState.compressed) return false
    this.#restore(chunk)
    this.table.flags[chunk]! |= isPrefetched
    this.#store.counters.earlyRestores++
    return true
  }

  /** Moves a compressed chunk to the coldest tier. Gives the bytes that saved. */
  demote(chunk: number): Bytes {
    const { payload, state, tier } = this.table
    if (state[chunk] !== ChunkState.compressed || tier[chunk] !== 0) return 0
    tier[chunk] = 1
    let saved: Bytes
    try {
      saved = this.#store.demote(payload[chunk]!)
    } catch {
      // No memory for a smaller copy: it stays in the tier where it is.
      saved = 0
    }
    if (saved > 0) this.#store.counters.demoted++
    return saved
  }

  /** Gives all frames and payloads back. Nothing of it may be used after that. */
  free(): void {
    const { frame, payload, state } = this.table
    // Jobs that are on their way are for another state now.
    state.fill(ChunkState.raw)
    for (let chunk = 0; chunk < frame.length; chunk++) {
      if (payload[chunk]! >= 0) this.#store.payloads.release(payload[chunk]!)
      if (frame[chunk]! >= 0) this.#store.frames.give(frame[chunk]!)
    }
    this.#raw = 0
    this.#compressed = 0
    this.#incompressible = 0
  }

  /** The error as it is told to users: with its region and chunk. */
  error(reason: ArenaReason, chunk?: number): ArenaError {
    return new ArenaError({ reason, region: this.#regionName, chunk })
  }

  /** Out of line, for the rest of the touches. Says whether it was compressed. */
  #makeRaw(chunk: number, isWrite: boolean): boolean {
    const { flags, frame, state, version } = this.table
    const wasCompressed = state[chunk] === ChunkState.compressed
    if (wasCompressed) {
      this.#store.counters.demandMs += this.#restore(chunk)
      this.#store.counters.demandRestores++
    } else if (state[chunk] === ChunkState.compressing) {
      state[chunk] = ChunkState.raw
      version[chunk]!++
    }
    const flag = flags[chunk]!
    if ((flag & isTouched) === 0) {
      if (frame[chunk]! < 0) frame[chunk] = this.#take(chunk, "zeros")
      this.#raw++
    }
    if ((flag & isPrefetched) !== 0) this.#store.counters.earlyUsed++
    if (isWrite && (flag & isIncompressible) !== 0) this.#incompressible--
    flags[chunk] = (isWrite ? 0 : flag & isIncompressible) | isTouched
    return wasCompressed
  }

  /** Gives what it took. */
  #restore(chunk: number): Milliseconds {
    const { payload, state } = this.table
    const { counters, frames, meter } = this.#store
    const started = meter()
    const given = this.#take(chunk, "anything")
    state[chunk] = ChunkState.restoring
    let problem: string | undefined
    try {
      problem = this.#store.restore(payload[chunk]!, frames.bytes(given))
    } catch (thrown) {
      state[chunk] = ChunkState.compressed
      frames.give(given)
      throw this.#named(thrown, chunk)
    }
    if (problem !== undefined) {
      state[chunk] = ChunkState.compressed
      frames.give(given)
      counters.corrupted++
      throw this.error({ _tag: "Corrupted", why: problem }, chunk)
    }
    this.#leave(chunk, given)
    const tookMs = meter() - started
    counters.restoreMs += tookMs
    return tookMs
  }

  /** From compressed (or restoring) to raw, in the frame given. */
  #leave(chunk: number, given: number): void {
    const { frame, payload, state, tier } = this.table
    this.#store.payloads.release(payload[chunk]!)
    payload[chunk] = -1
    tier[chunk] = 0
    frame[chunk] = given
    state[chunk] = ChunkState.raw
    this.#raw++
    this.#compressed--
  }

  #take(chunk: number, content: "zeros" | "anything"): number {
    try {
      return this.#store.frames.take(content)
    } catch (thrown) {
      throw this.#named(thrown, chunk)
    }
  }

  #named(thrown: unknown, chunk: number): unknown {
    return thrown instanceof ArenaError ? this.error(thrown.reason, chunk) : thrown
  }
}
