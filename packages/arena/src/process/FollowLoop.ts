/**
 * What there is of the process: mappings, page tables, sums; and that DAMON looks at it. Notices the process's end, exec, memory that comes and goes,
 * and what came back without being read in early.
 */
import { formatBytes, formatDuration, type Milliseconds, PageMap, type PageRun, pageSize, Processes } from "@wmo/core"
import { Clock, Effect } from "effect"
import { heldShare, memoryOf } from "./account.ts"
import { type Sorted, sortMappings } from "./eligible.ts"
import { ChunkPlace, ProcessChunks } from "./ProcessChunks.ts"
import type { ProcessState } from "./ProcessState.ts"

/** A kdamond that is not heard of for so long has ended. */
const silenceMs = 3000
/** Looking at page tables may take this share of the time. */
const followShare = 0.05
/** But so many times the usual pause at most. */
const mostFollows = 4

export class FollowLoop {
  readonly #state: ProcessState
  #looked = ""
  #atMs: Milliseconds
  #majorFaultsBefore: bigint | undefined

  constructor(state: ProcessState) {
    this.#state = state
    this.#atMs = state.nowMs
  }

  /** Mappings and page tables, again and again; ends when the process does. */
  readonly following = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      while (true) {
        const startedMs = yield* Clock.currentTimeMillis
        yield* this.follow
        const tookMs = (yield* Clock.currentTimeMillis) - startedMs
        const { followMs } = this.#state.settings
        yield* Effect.sleep(Math.min(mostFollows * followMs, Math.max(followMs, tookMs / followShare)))
      }
    })
  )

  /** One look. */
  readonly follow = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      const { identity } = this.#state.options
      const processes = yield* Processes
      const stat = yield* processes.stat(identity.pid)
      if (stat.startTime !== identity.startTime || stat.state === "Z" || stat.state === "X")
        return yield* this.#state.end("the process has ended")
      const mappings = yield* processes.maps(identity.pid)
      const sorted = sortMappings(mappings, yield* this.#locked(identity.pid))
      this.#state.unfit = sorted.unfit
      const look = ++this.#state.looks
      const scan = yield* (yield* PageMap).scan(
        identity.pid,
        sorted.fit.map(({ end, start }) => ({ start: BigInt(start), end: BigInt(end) }))
      )
      const nowMs = yield* Clock.currentTimeMillis
      this.#takeOver(sorted, scan.runs, nowMs, look)
      yield* this.#look()
      this.#majorFaultsBefore ??= stat.majorFaults
      this.#state.majorFaults = Number(stat.majorFaults - this.#majorFaultsBefore)
      yield* this.#sum()
    })
  ).pipe(Effect.catch((error) => this.#state.failed(error, "process")))

  /** Starts of mappings that the kernel would not page out. Looks closely only where something is locked. */
  #locked(pid: number) {
    return Effect.gen(function* () {
      const processes = yield* Processes
      const { amounts } = yield* processes.status(pid)
      if ((amounts["VmLck"] ?? 0) + (amounts["VmPin"] ?? 0) + (amounts["HugetlbPages"] ?? 0) === 0) return new Set<bigint>()
      const mappings = yield* processes.smaps(pid)
      return new Set(mappings.filter(({ flags }) => flags.some((flag) => /^(?:lo|ht|pf|io)$/.test(flag))).map(({ start }) => start))
    })
  }

  #takeOver(sorted: Sorted, runs: ReadonlyArray<PageRun>, nowMs: Milliseconds, look: number): void {
    const { mostChunks } = this.#state.settings
    const before = this.#state.chunks.count
    let change = this.#state.chunks.follow(sorted.fit, runs, nowMs, (slot) => this.#state.expectations.forget(slot))
    if (this.#state.chunks.count > mostChunks) {
      let { chunkBytes } = this.#state.chunks
      while (this.#state.chunks.count > mostChunks) {
        this.#state.chunks = new ProcessChunks((chunkBytes *= 2))
        change = this.#state.chunks.follow(sorted.fit, runs, nowMs, () => {})
      }
      this.#state.say("process", `it has so much memory that chunks are of ${formatBytes(chunkBytes)} from now on`)
    }
    const { appeared, isRenumbered, vanished } = change
    if (before > 0 && vanished >= before && vanished > 1) {
      this.#state.say(
        "process",
        `none of its ${before} chunks is there any more: it has executed another program, or mapped everything anew; all is forgotten`
      )
      this.#state.expectations = this.#state.learnAnew()
    } else if (isRenumbered || this.#state.expectations.capacity !== this.#state.chunks.capacity) {
      if (before > 0)
        this.#state.say(
          "process",
          `it has ${this.#state.chunks.count} chunks by now, ${before} before: numbers are given anew, and predictors learn anew`
        )
      this.#state.expectations = this.#state.learnAnew()
    } else if (appeared + vanished > 0 && before > 0) {
      this.#state.say("process", `${appeared} chunks have appeared, ${vanished} have gone`)
    }
    this.#count(runs, nowMs, look)
  }

  /** What the page tables say. What came back without being read in early is a touch that waited, whether DAMON saw it or not. */
  #count(runs: ReadonlyArray<PageRun>, nowMs: Milliseconds, look: number): void {
    const chunks = this.#state.chunks
    const isReal = this.#state.options.mode === "advise"
    const counts = chunks.countPages(runs)
    let outPages = 0
    for (const slot of chunks.sorted()) {
      if (chunks.lookedAt[slot]! > look) {
        if (chunks.wasReadIn[slot] === 0) outPages += chunks.swapped[slot]!
        continue
      }
      chunks.lookedAt[slot] = look
      const { present, swapped } = counts.get(slot) ?? { present: 0, swapped: 0 }
      const cameBack = Math.max(0, chunks.swapped[slot]! - swapped)
      if (isReal && cameBack > 0) {
        if (chunks.wasReadIn[slot] === 0) this.#state.demandBytes += Math.min(cameBack, present) * pageSize
        if (present > chunks.present[slot]! && chunks.place[slot] !== ChunkPlace.raw) this.#state.touch(slot, nowMs, false)
      }
      chunks.present[slot] = present
      chunks.swapped[slot] = swapped
      if (swapped === 0) chunks.wasReadIn[slot] = 0
      // What was read in lies in the swap cache: in memory.
      if (chunks.wasReadIn[slot] === 0) outPages += swapped
    }
    this.#state.outBytes = isReal ? outPages * pageSize : 0
  }

  /** Has DAMON look at what there is, where that differs from what it looks at, or when nothing is heard of it. */
  readonly #look = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const { damon } = this.#state.options
        const chunks = this.#state.chunks
        const nowMs = yield* Clock.currentTimeMillis
        const leastMs = Math.min(this.#state.settings.leastAgeMs, this.#state.settings.followMs)
        const wanted: Array<{ start: number; end: number }> = []
        for (const slot of chunks.sorted()) {
          if (nowMs - chunks.sinceMs[slot]! < leastMs && chunks.isSeen[slot] === 0) continue
          chunks.isSeen[slot] = 1
          const parts = chunks.parts[slot]!
          wanted.push({ start: parts[0]!.start, end: parts.at(-1)!.start + parts.at(-1)!.bytes })
        }
        const key = wanted.map(({ end, start }) => `${start}-${end}`).join()
        const isSilent = wanted.length > 0 && this.#looked !== "" && nowMs - damon.heardMs() > Math.max(silenceMs, 20 * damon.intervalMs())
        if (key === this.#looked && !isSilent) return
        if (isSilent)
          this.#state.say("process", `nothing was heard of the kdamond for ${formatDuration(nowMs - damon.heardMs())}: it is started again`)
        yield* damon.look(wanted).pipe(
          Effect.catchTags({ DamonNotRunning: () => Effect.void, DamonRejected: () => Effect.void }),
          Effect.catch((error) => this.#state.failed(error, "process")),
          Effect.ensuring(Effect.sync(() => void (this.#looked = key)))
        )
      })
    )

  /** Adds up what is saved since the last look. */
  readonly #sum = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const memory = yield* memoryOf(this.#state.options.identity.pid)
        if (memory === undefined) return yield* this.#state.end("the process has ended")
        this.#state.heldShare = yield* heldShare(this.#state.options.group)
        const nowMs = yield* Clock.currentTimeMillis
        this.#state.now = memory
        this.#state.mostOutBytes = Math.max(this.#state.mostOutBytes, this.#state.outBytes)
        const elapsedMs = nowMs - this.#atMs
        this.#atMs = this.#state.nowMs = nowMs
        const ours = Math.max(0, Math.min(this.#state.outBytes, memory.swapPssBytes) - this.#state.options.before.swapPssBytes)
        this.#state.savedByteMs += ours * (1 - this.#state.heldShare) * elapsedMs
        this.#state.wholeByteMs += (memory.pssBytes + memory.swapPssBytes) * elapsedMs
      })
    )
}
