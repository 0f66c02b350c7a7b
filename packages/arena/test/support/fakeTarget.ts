/** A process of the fake kernel that uses chunks of its memory when a test says so, seen by the fake DAMON; in virtual time. */
import { type DamonContext, type DamonTriedRegion, Journal } from "@wmo/core"
import { FakeKernel } from "@wmo/core/testing"
import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openProcessArena, type ProcessArenaOptions } from "../../src/process/index.ts"
import { none } from "../../src/index.ts"

export const mib = 2 ** 20
type KernelOptions = NonNullable<ConstructorParameters<typeof FakeKernel>[0]>
type Process = ReturnType<FakeKernel["processes"]["add"]>
type Engine = NonNullable<NonNullable<Exclude<KernelOptions["damon"], false>>["engine"]>
type Reader = Parameters<Engine["addTraceReader"]>[0]
const stepMs = 100

interface Call {
  readonly advice: "pageout" | "willneed"
  readonly bytes: number
}

interface Kdamond {
  readonly pid: number
  context: DamonContext
  tried: bigint
}

/** Kdamonds that see what a test says is used, tell of it by tracepoint when time passes, and carry out what their schemes say at once. */
class FakeEngine {
  readonly kdamonds = new Map<number, Kdamond>()
  readonly #readers = new Set<Reader>()
  readonly #target: FakeTarget
  constructor(target: FakeTarget) {
    this.#target = target
  }

  /** Has every kdamond aggregate. */
  aggregate(atMs: number): void {
    for (const [index, { context, pid }] of this.kdamonds) {
      const regions = this.seen(context)
      for (const { end, nrAccesses, start } of regions) {
        const line = `  kdamond.${index}-${pid} [001] ..... ${(atMs / 1000).toFixed(6)}: damon_aggregated: target_id=0 nr_regions=${regions.length} ${start}-${end}: ${nrAccesses} 0\n`
        for (const reader of this.#readers) if (reader.wants("damon_aggregated")) reader.take(line)
      }
    }
  }

  seen({ targets }: DamonContext): ReadonlyArray<DamonTriedRegion> {
    return targets.flatMap(({ regions }) =>
      regions.map(({ end, start }) => ({ start, end, nrAccesses: this.#target.isUsed(Number(start), Number(end)) ? 1 : 0, age: 0 }))
    )
  }

  readonly engine: Engine = {
    start: (index, pid, context) => {
      const kdamond: Kdamond = { pid, context, tried: 0n }
      this.kdamonds.set(index, kdamond)
      for (const { action } of context.schemes) {
        if (action !== "pageout" && action !== "willneed") continue
        for (const { end, start } of context.targets[0]!.regions) {
          const bytes = Number(end - start)
          this.#target.calls.push({ advice: action as Call["advice"], bytes })
          if (action === "pageout") this.#target.process.pageOut(start, bytes, true)
          else this.#target.process.readIn(start, bytes)
          kdamond.tried += end - start
        }
      }
    },
    commit: (index, context) => void (this.kdamonds.get(index)!.context = context),
    commitGoals: () => {},
    stop: (index) => void this.kdamonds.delete(index),
    isRunning: (index) => this.kdamonds.has(index) && this.#target.isAlive,
    intervals: (index) => this.kdamonds.get(index)!.context.intervals,
    stats: (index) => {
      const { tried } = this.kdamonds.get(index)!
      return { nrTried: 1n, szTried: tried, nrApplied: 1n, szApplied: tried, qtExceeds: 0n }
    },
    effectiveBytes: () => 0,
    tryOnce: (index) => {
      const { context } = this.kdamonds.get(index)!
      return context.schemes.map(({ pattern }) => this.seen(context).filter(({ nrAccesses }) => nrAccesses >= pattern.nrAccesses.min))
    },
    startModule: () => {},
    commitModule: () => {},
    stopModule: () => {},
    moduleOutput: () => undefined,
    systemRam: () => ({ start: 0, end: 2 ** 32 }),
    addTraceReader: (reader) => void this.#readers.add(reader),
    removeTraceReader: (reader) => void this.#readers.delete(reader)
  }
}

export class FakeTarget {
  readonly kernel: FakeKernel
  readonly process: Process
  /** Starts of chunks of 1 MiB that are in use now. */
  readonly #inUse = new Set<number>()
  readonly #engine = new FakeEngine(this)
  /** Of its calls to the kernel, what each is to be refused with. */
  refuse: ((advice: number) => string | undefined) | undefined
  readonly calls: Array<Call> = []

  constructor(options: KernelOptions = {}) {
    this.kernel = new FakeKernel({
      ...options,
      damon: options.damon ?? { engine: this.#engine.engine, isProcess: () => this.isAlive }
    })
    this.process = this.kernel.processes.add({ comm: "app" })
    const calls = this.kernel.processes.systemCalls
    const advise = calls.processMadvise
    Object.assign(calls, {
      processMadvise: (...[pidfd, ranges, advice]: Parameters<typeof advise>) => {
        const errno = this.refuse?.(advice)
        if (errno !== undefined) return Promise.resolve({ errno })
        this.calls.push({ advice: advice === 21 ? "pageout" : "willneed", bytes: ranges.reduce((sum, { bytes }) => sum + bytes, 0) })
        return advise(pidfd, ranges, advice)
      }
    })
  }

  /** Maps so many MiB and writes to all of them. */
  map(chunks: number) {
    const mapping = this.process.map(chunks * mib)
    this.process.touch(mapping.start, chunks * mib)
    return mapping
  }

  /** Has all of a range used from now on, or no more. What is swapped comes back at once. */
  use(start: bigint, chunks: number, isUsed = true): void {
    for (let i = 0; i < chunks; i++) {
      const at = Number(start) + i * mib
      if (isUsed) this.#inUse.add(at - (at % mib))
      else this.#inUse.delete(at - (at % mib))
    }
    if (isUsed) this.process.touch(start, chunks * mib)
  }

  /** Lets time pass; what is in use is used all the time. */
  pass(ms: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let passed = 0; passed < ms; passed += stepMs) {
        for (const at of this.#inUse) this.process.touch(BigInt(at), mib)
        this.#engine.aggregate((yield* Clock.currentTimeMillis) + stepMs)
        yield* TestClock.adjust(stepMs)
      }
    })
  }

  open(options: Partial<ProcessArenaOptions> = {}) {
    return openProcessArena({
      pid: this.process.pid,
      mode: "advise",
      predictor: none,
      ...options,
      settings: {
        chunkBytes: mib,
        intervalMs: 100,
        coldMs: 2000,
        leastColdMs: 1000,
        leastAgeMs: 1000,
        cpuPercent: 100,
        ...options.settings
      }
    })
  }

  get isAlive(): boolean {
    return this.kernel.processes.processes.get(this.process.pid) === this.process && this.process.state === "S"
  }

  get swappedMib(): number {
    return (this.process.status.amounts["VmSwap"] ?? 0) / mib
  }

  run<A, E>(body: Effect.Effect<A, E, any>): Effect.Effect<A, E> {
    const directory = mkdtempSync(join(tmpdir(), "wmo-process-"))
    return body.pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(Journal.layer({ directory, command: "test" }), this.kernel.layer))
    ) as Effect.Effect<A, E>
  }

  isUsed(start: number, end: number): boolean {
    for (const at of this.#inUse) if (at < end && at + mib > start) return true
    return false
  }
}
