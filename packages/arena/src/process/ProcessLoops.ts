/**
 * The loops of the process arena: follow (mappings, page tables, sums), hotness (DAMON's touches, the cold age), compression and prefetch. One
 * clock, the same predictors and the same laws as the managed arena's controller. Whatever happens to the process is a decision or the end, with
 * a reason; nothing here throws. The kernel's calls are awaited, off this thread.
 */
import {
  type Bytes,
  type Cgroups,
  formatBytes,
  formatDuration,
  type Machine,
  type Milliseconds,
  PageMap,
  type PageRun,
  pageSize,
  Pressure,
  type ProcessIdentity,
  Processes,
  type Zram,
  type Zswap
} from "@wmo/core"
import { Clock, Deferred, Effect, Stream } from "effect"
import { adaptColdAge } from "../controller/coldAge.ts"
import { CpuBudget } from "../controller/CpuBudget.ts"
import { type Decision, DecisionLog } from "../controller/Decision.ts"
import type { PredictorKind } from "../predictors/Predictor.ts"
import { emptyTally, measures } from "../predictors/Score.ts"
import { Tournament } from "../predictors/tournament.ts"
import { heldShare, type MemoryOf, memoryOf } from "./account.ts"
import { type Advisor, type AdviceRange, isEndOfProcess, isForbidden } from "./Advisor.ts"
import { ByteBudget } from "./ByteBudget.ts"
import type { DamonTouches, TouchedRange } from "./DamonTouches.ts"
import { type Sorted, sortMappings } from "./eligible.ts"
import { Expectations } from "./Expectations.ts"
import { PressureBackOff } from "./PressureBackOff.ts"
import { ChunkPlace, ProcessChunks } from "./ProcessChunks.ts"
import type { ProcessSettings } from "./ProcessSettings.ts"
import type { ProcessArenaStatus, ProcessMode, ProcessRange } from "./ProcessStatus.ts"

export type LoopServices = Cgroups | Machine | PageMap | Pressure | Processes | Zram | Zswap

/** Reading in is never as regular as it was measured. */
const restoreReserve = 1.25
/** Before anything was read in: 2 ms for 2 MiB. */
const firstReadMsPerByte = 2 / 2 ** 21
/** What the kernel does not take is not offered again for a cold age, and twice as long each time after. */
const mostRefusals = 8
/** A kdamond that is not heard of for so long has ended. */
const silenceMs = 3000
/** Looking at page tables may take this share of the time. */
const followShare = 0.05
/** A chunk with less of it in memory is not worth a call, nor a prediction. */
const worthPages = (chunkBytes: Bytes): number => chunkBytes / 16 / pageSize
/** But so many times the usual pause at most. */
const mostFollows = 4
/** The cold age creeps: what is said of it is a step of this share. */
const worthSaying = 0.2
/** What predictors want is said once for all of a while. */
const waveMs = 1000

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

export class ProcessLoops {
  readonly #options: LoopOptions
  readonly #log = new DecisionLog()
  readonly #backOff = new PressureBackOff()
  #settings: ProcessSettings
  #chunks: ProcessChunks
  /** Goes on when predictors learn anew. */
  readonly #tally = emptyTally()
  #expectations: Expectations
  #coldMs: Milliseconds
  #stallPercent = 0
  #readMsPerByte = firstReadMsPerByte
  readonly #startMs: Milliseconds
  #nowMs: Milliseconds
  #atMs: Milliseconds
  #adaptedAtMs: Milliseconds
  #demandBytesBefore = 0
  #unfit: Sorted["unfit"] = {}
  #looked = ""
  #now: MemoryOf
  #heldShare = 1
  #outBytes = 0
  #mostOutBytes = 0
  #pagedOutBytes = 0
  #readInBytes = 0
  #demandBytes = 0
  #majorFaultsBefore: bigint | undefined
  #majorFaults = 0
  #savedByteMs = 0
  #wholeByteMs = 0
  #pageOutMs = 0
  #readInMs = 0
  #predictMs = 0
  #saidColdMs = 0
  /** Wanted by predictors, and read in, since it was said last. */
  #wave = { sinceMs: 0, planned: 0, bytes: 0, ms: 0 }
  #wake: (() => void) | undefined
  #isStarved = false

  constructor(options: LoopOptions, nowMs: Milliseconds) {
    this.#options = options
    this.#settings = options.settings
    this.#startMs = this.#nowMs = this.#atMs = this.#adaptedAtMs = nowMs
    this.#now = options.before
    this.#coldMs = this.#saidColdMs = options.settings.coldMs
    this.#chunks = new ProcessChunks(options.settings.chunkBytes)
    this.#expectations = this.#learnAnew()
  }

  get decisions(): ReadonlyArray<Decision> {
    return this.#log.recent()
  }

  get settings(): ProcessSettings {
    return this.#settings
  }

  change(settings: ProcessSettings, coldMs: Milliseconds | undefined): void {
    this.#settings = settings
    this.#coldMs = Math.min(settings.mostColdMs, Math.max(settings.leastColdMs, coldMs ?? this.#coldMs))
  }

  /** The program says that its memory will be used soon. */
  hint(nowMs: Milliseconds): void {
    this.#expectations.predictor.hint(nowMs)
    this.#wake?.()
  }

  status(): ProcessArenaStatus {
    const { advisor, before, damon, identity, mode, name, swap } = this.#options
    const { predictor, tally } = this.#expectations
    const standings = predictor instanceof Tournament ? predictor.standings : []
    return {
      mode,
      pid: identity.pid,
      name,
      settings: this.#settings,
      by: advisor.by,
      swap,
      reads: damon.reads,
      chunkBytes: this.#chunks.chunkBytes,
      intervalMs: damon.intervalMs(),
      coldMs: this.#coldMs,
      stallPercent: this.#stallPercent,
      pressurePercent: this.#backOff.percent,
      chunks: this.#chunks.count,
      unfit: this.#unfit,
      tooYoung: this.#chunks.sorted().filter((slot) => !this.#isOldEnough(slot, this.#nowMs)).length,
      runMs: this.#nowMs - this.#startMs,
      before,
      now: this.#now,
      outBytes: this.#outBytes,
      mostOutBytes: this.#mostOutBytes,
      heldBytes: this.#outBytes * this.#heldShare,
      pagedOutBytes: this.#pagedOutBytes,
      readInBytes: this.#readInBytes,
      demandBytes: this.#demandBytes,
      majorFaults: this.#majorFaults,
      savedByteSeconds: this.#savedByteMs / 1000,
      wholeByteSeconds: this.#wholeByteMs / 1000,
      pageOutMs: this.#pageOutMs,
      readInMs: this.#readInMs,
      predictMs: this.#predictMs,
      metadataBytes: this.#chunks.metadataBytes + this.#expectations.metadataBytes,
      predictor: {
        name: predictor.name,
        explanation: predictor.explain(),
        tally: { ...tally },
        measures: measures(tally),
        standings: standings.map((standing) => ({ ...standing, measures: measures(standing.total) }))
      }
    }
  }

  /** Neighbouring chunks of one mapping that are used alike, by address. */
  ranges(): ReadonlyArray<ProcessRange> {
    const { base, chunkBytes, names, place, present, swapped, touchedAtMs } = this.#chunks
    const found: Array<{ -readonly [K in keyof ProcessRange]: ProcessRange[K] }> = []
    for (const slot of this.#chunks.sorted()) {
      const idleMs = this.#nowMs - touchedAtMs[slot]!
      const kind =
        place[slot] === ChunkPlace.out
          ? "out"
          : place[slot] === ChunkPlace.restored
            ? "restored"
            : !this.#isOldEnough(slot, this.#nowMs)
              ? "young"
              : idleMs >= this.#coldMs
                ? "cold"
                : "hot"
      const last = found.at(-1)
      const here = { presentBytes: present[slot]! * pageSize, swappedBytes: swapped[slot]! * pageSize }
      if (last !== undefined && last.end === base[slot] && last.name === names[slot] && last.place === kind) {
        last.end = base[slot]! + chunkBytes
        last.presentBytes += here.presentBytes
        last.swappedBytes += here.swappedBytes
        last.idleMs = Math.min(last.idleMs, idleMs)
      } else found.push({ start: base[slot]!, end: base[slot]! + chunkBytes, name: names[slot]!, place: kind, idleMs, ...here })
    }
    return found
  }

  // ---- follow: what there is ----

  /** Mappings and page tables, again and again; ends when the process does. */
  readonly following = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      while (true) {
        const startedMs = yield* Clock.currentTimeMillis
        yield* this.follow
        const tookMs = (yield* Clock.currentTimeMillis) - startedMs
        const { followMs } = this.#settings
        yield* Effect.sleep(Math.min(mostFollows * followMs, Math.max(followMs, tookMs / followShare)))
      }
    })
  )

  /** One look. */
  readonly follow = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      const { identity } = this.#options
      const processes = yield* Processes
      const stat = yield* processes.stat(identity.pid)
      if (stat.startTime !== identity.startTime || stat.state === "Z" || stat.state === "X")
        return yield* this.#end("the process has ended")
      const mappings = yield* processes.maps(identity.pid)
      const sorted = sortMappings(mappings, yield* this.#locked(identity.pid))
      this.#unfit = sorted.unfit
      const scan = yield* (yield* PageMap).scan(
        identity.pid,
        sorted.fit.map(({ end, start }) => ({ start: BigInt(start), end: BigInt(end) }))
      )
      const nowMs = yield* Clock.currentTimeMillis
      this.#takeOver(sorted, scan.runs, nowMs)
      yield* this.#look()
      this.#majorFaultsBefore ??= stat.majorFaults
      this.#majorFaults = Number(stat.majorFaults - this.#majorFaultsBefore)
      yield* this.#sum()
    })
  ).pipe((effect) => this.#orEnd(effect, "process"))

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

  #takeOver(sorted: Sorted, runs: ReadonlyArray<PageRun>, nowMs: Milliseconds): void {
    const { mostChunks } = this.#settings
    const before = this.#chunks.count
    let change = this.#chunks.follow(sorted.fit, runs, nowMs, (slot) => this.#expectations.forget(slot))
    if (this.#chunks.count > mostChunks) {
      let { chunkBytes } = this.#chunks
      while (this.#chunks.count > mostChunks) {
        this.#chunks = new ProcessChunks((chunkBytes *= 2))
        change = this.#chunks.follow(sorted.fit, runs, nowMs, () => {})
      }
      this.#say("process", `it has so much memory that chunks are of ${formatBytes(chunkBytes)} from now on`)
    }
    const { appeared, isRenumbered, vanished } = change
    if (before > 0 && vanished >= before && vanished > 1) {
      this.#say(
        "process",
        `none of its ${before} chunks is there any more: it has executed another program, or mapped everything anew; all is forgotten`
      )
      this.#expectations = this.#learnAnew()
    } else if (isRenumbered || this.#expectations.capacity !== this.#chunks.capacity) {
      if (before > 0)
        this.#say(
          "process",
          `it has ${this.#chunks.count} chunks by now, ${before} before: numbers are given anew, and predictors learn anew`
        )
      this.#expectations = this.#learnAnew()
    } else if (appeared + vanished > 0 && before > 0) {
      this.#say("process", `${appeared} chunks have appeared, ${vanished} have gone`)
    }
    this.#count(runs, nowMs)
  }

  #learnAnew(): Expectations {
    return new Expectations(this.#chunks, this.#options.predictor, this.#coldMs, this.#oneReadMs(), this.#tally)
  }

  /** What the page tables say. What came back without being read in early is a touch that waited, whether DAMON saw it or not. */
  #count(runs: ReadonlyArray<PageRun>, nowMs: Milliseconds): void {
    const chunks = this.#chunks
    const isReal = this.#options.mode === "advise"
    const counts = chunks.countPages(runs)
    let outPages = 0
    for (const slot of chunks.sorted()) {
      const { present, swapped } = counts.get(slot) ?? { present: 0, swapped: 0 }
      const cameBack = Math.max(0, chunks.swapped[slot]! - swapped)
      if (isReal && cameBack > 0) {
        if (chunks.wasReadIn[slot] === 0) this.#demandBytes += Math.min(cameBack, present) * pageSize
        if (present > chunks.present[slot]! && chunks.place[slot] !== ChunkPlace.raw) this.#touch(slot, nowMs, false)
      }
      chunks.present[slot] = present
      chunks.swapped[slot] = swapped
      if (swapped === 0) chunks.wasReadIn[slot] = 0
      // What was read in lies in the swap cache: in memory.
      if (chunks.wasReadIn[slot] === 0) outPages += swapped
    }
    this.#outBytes = isReal ? outPages * pageSize : 0
  }

  /** Has DAMON look at what there is, where that differs from what it looks at, or when nothing is heard of it. */
  readonly #look = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const { damon } = this.#options
        const chunks = this.#chunks
        const nowMs = yield* Clock.currentTimeMillis
        const leastMs = Math.min(this.#settings.leastAgeMs, this.#settings.followMs)
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
          this.#say("process", `nothing was heard of the kdamond for ${formatDuration(nowMs - damon.heardMs())}: it is started again`)
        yield* damon.look(wanted).pipe(
          Effect.catchTags({ DamonNotRunning: () => Effect.void, DamonRejected: () => Effect.void }),
          Effect.catch((error) => this.#failed(error, "process")),
          Effect.ensuring(Effect.sync(() => void (this.#looked = key)))
        )
      })
    )

  /** Adds up what is saved since the last look. */
  readonly #sum = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const memory = yield* memoryOf(this.#options.identity.pid)
        if (memory === undefined) return yield* this.#end("the process has ended")
        this.#heldShare = yield* heldShare(this.#options.group)
        const nowMs = yield* Clock.currentTimeMillis
        this.#now = memory
        this.#mostOutBytes = Math.max(this.#mostOutBytes, this.#outBytes)
        const elapsedMs = nowMs - this.#atMs
        this.#atMs = this.#nowMs = nowMs
        const ours = Math.max(0, Math.min(this.#outBytes, memory.swapPssBytes) - this.#options.before.swapPssBytes)
        this.#savedByteMs += ours * (1 - this.#heldShare) * elapsedMs
        this.#wholeByteMs += (memory.pssBytes + memory.swapPssBytes) * elapsedMs
      })
    )

  // ---- hotness ----

  /** Takes DAMON's touches as they come. */
  readonly hotness = Effect.suspend(() =>
    Stream.runForEach(this.#options.damon.touches, (touched) => Effect.sync(() => this.#touched(touched)))
  ).pipe((effect) => this.#orEnd(effect, "hotness"), Effect.andThen(Effect.never))

  #touched(touched: ReadonlyArray<TouchedRange>): void {
    const { chunkBytes } = this.#chunks
    for (const { end, fromMs, start } of touched) {
      for (let at = start; at < end; at = at - (at % chunkBytes) + chunkBytes) {
        const slot = this.#chunks.slotAt(at)
        if (slot >= 0) this.#touch(slot, fromMs, true)
      }
    }
  }

  /** `isExact`: as DAMON saw it. What the page tables tell happened some time since the last look. */
  #touch(slot: number, atMs: Milliseconds, isExact: boolean): void {
    // Somebody had to wait: what comes next may be known now.
    if (this.#expectations.touch(slot, atMs, isExact)) this.#wake?.()
  }

  /** The cold age, by how long the target waited; and pressure. */
  readonly adapting = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      while (true) {
        yield* this.#adapt()
        yield* Effect.sleep(this.#settings.adaptMs)
      }
    })
  )

  readonly #adapt = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const nowMs = yield* Clock.currentTimeMillis
        this.#nowMs = nowMs
        const pauseMs = this.#backOff.observe(yield* this.#stalledUs(), nowMs, this.#settings.mostPressurePercent)
        if (pauseMs !== undefined) {
          const whose = this.#options.group === undefined || this.#options.group === "" ? "the machine" : `group ${this.#options.group}`
          this.#say(
            "compression",
            `${whose} stalls for memory ${this.#backOff.percent!.toFixed(1)} % of the time, ${this.#settings.mostPressurePercent} % may be: nothing is paged out for ${formatDuration(pauseMs)}`
          )
        }
        const elapsedMs = nowMs - this.#adaptedAtMs
        if (elapsedMs <= 0 || this.#options.mode === "watch") return
        const waitedMs = (this.#demandBytes - this.#demandBytesBefore) * this.#readMsPerByte
        this.#stallPercent = (100 * waitedMs) / elapsedMs
        this.#demandBytesBefore = this.#demandBytes
        this.#adaptedAtMs = nowMs
        const adapted = adaptColdAge(this.#coldMs, { stallPercent: this.#stallPercent, pressurePercent: undefined }, this.#settings)
        if (adapted === undefined) return
        this.#coldMs = adapted.coldMs
        this.#tune()
        if (Math.abs(adapted.coldMs - this.#saidColdMs) < worthSaying * this.#saidColdMs) return
        this.#saidColdMs = adapted.coldMs
        this.#say("hotness", adapted.reason)
      })
    )

  readonly #stalledUs = () =>
    Effect.suspend(() =>
      Effect.gen({ self: this }, function* () {
        const pressure = yield* Pressure
        const { group } = this.#options
        const reading = yield* group === undefined || group === ""
          ? pressure.machine("memory")
          : Effect.catch(pressure.group(group, "memory"), () => pressure.machine("memory"))
        return reading._tag === "Counting" ? reading.stall.some?.totalUs : undefined
      }).pipe(Effect.orElseSucceed(() => undefined))
    )

  #tune(): void {
    this.#expectations.tune(this.#coldMs, this.#oneReadMs())
  }

  #oneReadMs(): Milliseconds {
    return restoreReserve * this.#readMsPerByte * this.#chunks.chunkBytes
  }

  #isOldEnough(slot: number, nowMs: Milliseconds): boolean {
    return nowMs - this.#chunks.sinceMs[slot]! >= this.#settings.leastAgeMs
  }

  // ---- compression ----

  readonly compression = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      const nowMs = yield* Clock.currentTimeMillis
      const bytes = new ByteBudget(nowMs)
      const cpu = new CpuBudget(nowMs)
      while (true) {
        yield* Effect.sleep(this.#settings.compressTickMs)
        yield* this.#pageOut(bytes, cpu).pipe((effect) => this.#orEnd(effect, "compression"))
      }
    })
  )

  readonly #pageOut = Effect.fnUntraced({ self: this }, function* (this: ProcessLoops, bytes: ByteBudget, cpu: CpuBudget) {
    const { mode } = this.#options
    const started = { bytes: 0, went: 0, chunks: 0, ms: 0, names: new Set<string>(), refused: undefined as string | undefined }
    const coldMs = this.#coldMs
    while (true) {
      const nowMs = yield* Clock.currentTimeMillis
      const { batchBytes, cpuPercent, pageOutBytesPerSecond } = this.#settings
      const left = bytes.available(nowMs, pageOutBytesPerSecond)
      if (this.#backOff.isPaused(nowMs) || left <= 0 || cpu.available(nowMs, cpuPercent) <= 0) break
      const expectations = this.#expectations
      const slots = this.#coldest(nowMs, batchBytes)
      if (slots.length === 0) break
      const before = this.#sumOf(slots)
      const beforeNanos = yield* Clock.currentTimeNanos
      const { refused } = yield* this.#options.advisor
        .advise("pageout", this.#rangesOf(slots), batchBytes)
        .pipe(Effect.tapError(() => Effect.sync(() => this.#rest(slots, nowMs))))
      const ms = Number((yield* Clock.currentTimeNanos) - beforeNanos) / 1e6
      const atMs = yield* Clock.currentTimeMillis
      if (mode === "advise") yield* this.#rescan(slots)
      if (expectations !== this.#expectations) break
      const went = mode === "advise" ? this.#sumOf(slots).swapped - before.swapped : before.present
      for (const slot of slots) this.#isOut(slot, atMs, mode === "advise")
      bytes.spend(slots.reduce((sum, slot) => sum + this.#chunks.bytesOf(slot), 0))
      cpu.spend(ms)
      this.#pageOutMs += ms
      this.#pagedOutBytes += Math.max(0, went) * pageSize
      started.went += Math.max(0, went) * pageSize
      started.bytes += before.present * pageSize
      started.chunks += slots.length
      started.ms += ms
      started.refused ??= refused
      for (const slot of slots) started.names.add(this.#chunks.names[slot]!)
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
    this.#say(
      "compression",
      `${started.chunks} chunks untouched for ${formatDuration(coldMs)} ${would}${left}`,
      [...started.names].join(", ")
    )
  })

  /** Those that are cold and that nothing expects, in the order of their numbers from the coldest on, at most so many bytes. */
  #coldest(nowMs: Milliseconds, mostBytes: Bytes): ReadonlyArray<number> {
    const { place, present, restUntilMs, touchedAtMs } = this.#chunks
    const cold: Array<number> = []
    const leastPages = worthPages(this.#chunks.chunkBytes)
    for (let slot = 0; slot < this.#chunks.capacity; slot++) {
      // Only to settle what was expected: what is in the swap cache, the kernel alone takes out again.
      if (place[slot] === ChunkPlace.restored) this.#expectations.mayPageOut(slot, nowMs)
      if (place[slot] !== ChunkPlace.raw || present[slot]! < leastPages || nowMs - touchedAtMs[slot]! < this.#coldMs) continue
      if (!this.#isOldEnough(slot, nowMs) || restUntilMs[slot]! > nowMs || this.#chunks.isSeen[slot] === 0) continue
      if (this.#expectations.mayPageOut(slot, nowMs)) cold.push(slot)
    }
    cold.sort((a, b) => Math.round((touchedAtMs[a]! - touchedAtMs[b]!) / 1000) || a - b)
    const taken: Array<number> = []
    let bytes = 0
    for (const slot of cold) {
      bytes += this.#chunks.bytesOf(slot)
      if (taken.length > 0 && bytes > mostBytes) break
      taken.push(slot)
    }
    return taken
  }

  #isOut(slot: number, nowMs: Milliseconds, isReal: boolean): void {
    const chunks = this.#chunks
    if (chunks.place[slot] !== ChunkPlace.raw) return
    chunks.wasReadIn[slot] = 0
    if (!isReal || chunks.swapped[slot]! > chunks.present[slot]!) {
      chunks.place[slot] = ChunkPlace.out
      chunks.refusals[slot] = 0
      return
    }
    this.#rest([slot], nowMs)
  }

  /** The kernel would not: not offered again for a while, and longer each time. */
  #rest(slots: ReadonlyArray<number>, nowMs: Milliseconds): void {
    const { refusals, restUntilMs } = this.#chunks
    for (const slot of slots) {
      refusals[slot] = Math.min(mostRefusals, refusals[slot]! + 1)
      restUntilMs[slot] = nowMs + this.#coldMs * 2 ** refusals[slot]!
    }
  }

  #sumOf(slots: ReadonlyArray<number>): { readonly present: number; readonly swapped: number } {
    let present = 0
    let swapped = 0
    for (const slot of slots) {
      present += this.#chunks.present[slot]!
      swapped += this.#chunks.swapped[slot]!
    }
    return { present, swapped }
  }

  #rangesOf(slots: ReadonlyArray<number>): ReadonlyArray<AdviceRange> {
    const ranges: Array<{ start: number; bytes: Bytes }> = []
    for (const { bytes, start } of slots.flatMap((slot) => this.#chunks.parts[slot]!).toSorted((a, b) => a.start - b.start)) {
      const last = ranges.at(-1)
      if (last !== undefined && last.start + last.bytes === start) last.bytes += bytes
      else ranges.push({ start, bytes })
    }
    return ranges
  }

  /** Looks at the page tables of these chunks; gives those of which more is present than before. */
  readonly #rescan = Effect.fnUntraced({ self: this }, function* (this: ProcessLoops, slots: ReadonlyArray<number>) {
    const chunks = this.#chunks
    const { generation } = chunks
    const scan = yield* (yield* PageMap).scan(
      this.#options.identity.pid,
      this.#rangesOf(slots).map(({ bytes, start }) => ({ start: BigInt(start), bytes }))
    )
    if (chunks !== this.#chunks || generation !== chunks.generation) return []
    const counts = chunks.countPages(scan.runs)
    const moreThere: Array<number> = []
    for (const slot of slots) {
      const { present, swapped } = counts.get(slot) ?? { present: 0, swapped: 0 }
      if (present > chunks.present[slot]!) moreThere.push(slot)
      if (chunks.wasReadIn[slot] === 0) this.#demandBytes += Math.max(0, chunks.swapped[slot]! - swapped) * pageSize
      chunks.present[slot] = present
      chunks.swapped[slot] = swapped
    }
    return moreThere
  })

  // ---- prefetch ----

  readonly prefetch = Effect.suspend(() =>
    Effect.gen({ self: this }, function* () {
      const cpu = new CpuBudget(yield* Clock.currentTimeMillis)
      while (true) {
        const isMore = yield* this.#restoreNext(cpu).pipe((effect) => this.#orEnd(effect, "prefetch"))
        if (isMore !== true) yield* Effect.timeoutOption(this.#woken, this.#settings.prefetchTickMs)
      }
    })
  )

  /** Plans, and reads in one batch. Says whether there is more to do at once. */
  readonly #restoreNext = Effect.fnUntraced({ self: this }, function* (this: ProcessLoops, cpu: CpuBudget) {
    const nowMs = yield* Clock.currentTimeMillis
    const { batchBytes, horizonMs, leastConfidence, prefetchTickMs, restoreCpuPercent } = this.#settings
    const beforeNanos = yield* Clock.currentTimeNanos
    this.#tune()
    const planned = this.#expectations.plan(nowMs, { horizonMs, leastConfidence, marginMs: prefetchTickMs })
    this.#predictMs += Number((yield* Clock.currentTimeNanos) - beforeNanos) / 1e6
    if (planned > 0 && this.#wave.planned === 0) this.#wave.sinceMs = nowMs
    this.#wave.planned += planned
    this.#sayWave(nowMs)
    if (this.#expectations.waiting === 0) return false
    if (cpu.available(nowMs, restoreCpuPercent) <= 0) {
      if (!this.#isStarved)
        this.#say("prefetch", `${this.#expectations.waiting} chunks wait: reading in takes more than ${restoreCpuPercent} % of a core`)
      this.#isStarved = true
      return false
    }
    this.#isStarved = false
    const slots = this.#expectations.take(batchBytes)
    if (slots.length === 0) return false
    yield* this.#readIn(slots, cpu)
    return true
  })

  #sayWave(nowMs: Milliseconds): void {
    const { bytes, ms, planned, sinceMs } = this.#wave
    if (planned === 0 || this.#expectations.waiting > 0 || nowMs - sinceMs < waveMs || this.#options.mode === "watch") return
    this.#wave = { sinceMs: nowMs, planned: 0, bytes: 0, ms: 0 }
    const done = bytes === 0 ? "all of them in memory already, and kept" : `${formatBytes(bytes)} read in, in ${ms.toFixed(0)} ms`
    this.#say("prefetch", `${planned} chunks expected soon: ${done}; ${this.#expectations.predictor.explain()}`)
  }

  readonly #readIn = Effect.fnUntraced({ self: this }, function* (this: ProcessLoops, slots: ReadonlyArray<number>, cpu: CpuBudget) {
    const isReal = this.#options.mode === "advise"
    const chunks = this.#chunks
    const expectations = this.#expectations
    // What is there again already has been touched; the rest of it is still worth reading in.
    if (isReal) for (const slot of yield* this.#rescan(slots)) this.#touch(slot, yield* Clock.currentTimeMillis, false)
    const { swapped } = this.#sumOf(slots)
    if (isReal) for (const slot of slots) chunks.wasReadIn[slot] = 1
    const beforeNanos = yield* Clock.currentTimeNanos
    const { refused } = yield* this.#options.advisor.advise("willneed", this.#rangesOf(slots), this.#settings.batchBytes)
    const ms = Number((yield* Clock.currentTimeNanos) - beforeNanos) / 1e6
    cpu.spend(ms)
    this.#readInMs += ms
    if (swapped > 0 && ms > 0) this.#readMsPerByte += (ms / (swapped * pageSize) - this.#readMsPerByte) / 4
    this.#readInBytes += swapped * pageSize
    this.#wave.bytes += swapped * pageSize
    this.#wave.ms += ms
    if (refused !== undefined) this.#say("prefetch", `the kernel would not read in all of ${slots.length} chunks (${refused})`)
    // Touched while it was being read in.
    if (isReal) for (const slot of yield* this.#rescan(slots)) this.#touch(slot, yield* Clock.currentTimeMillis, false)
    if (expectations !== this.#expectations) return
    const nowMs = yield* Clock.currentTimeMillis
    for (const slot of slots) if (chunks.place[slot] === ChunkPlace.out) expectations.wasReadIn(slot, nowMs)
  })

  readonly #woken: Effect.Effect<void> = Effect.callback((resume) => {
    this.#wake = () => {
      this.#wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.#wake = undefined
    })
  })

  // ---- ends ----

  #say(loop: Decision["loop"], reason: string, region?: string): void {
    const decision: Decision = { atMs: this.#nowMs, loop, reason, ...(region === undefined ? {} : { region }) }
    this.#log.add(decision)
    this.#options.onDecision?.(decision)
  }

  #end(why: string): Effect.Effect<void> {
    return Effect.asVoid(Deferred.succeed(this.#options.ended, why))
  }

  /** What a failure means: the end of the process, of our rights, or something passing, which is said and tried again. */
  #failed(error: unknown, loop: Decision["loop"]): Effect.Effect<void> {
    if (isEndOfProcess(error)) return this.#end("the process has ended")
    if (isForbidden(error)) return this.#end(`not permitted any more: ${(error as Error).message}`)
    return Effect.sync(() => this.#say(loop, error instanceof Error ? error.message : String(error)))
  }

  #orEnd<A, E, R>(effect: Effect.Effect<A, E, R>, loop: Decision["loop"]): Effect.Effect<A | void, never, R> {
    return Effect.catch(effect, (error) => this.#failed(error, loop))
  }
}
