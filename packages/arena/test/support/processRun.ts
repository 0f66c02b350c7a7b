/** Runs a target process under the process arena, on the kernel that runs: for guest tests and `bench/process.ts`. As root. */
import { Cgroups, Damon, DamonTrace, Journal, KernFs, Machine, PageMap, Pressure, Processes, ProcessMemory, Zram, Zswap } from "@wmo/core"
import { Effect, Layer } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openProcessArena, type ProcessArena, type ProcessArenaOptions, type ProcessArenaStatus } from "../../src/process/index.ts"

const target = join(import.meta.dirname, "../fixtures/burstTarget.mjs")

export const kernel = Layer.mergeAll(
  Damon.layer,
  DamonTrace.layer,
  Machine.layer,
  PageMap.layer,
  Pressure.layer,
  Processes.layer,
  ProcessMemory.layer,
  Zram.layer,
  Zswap.layer
).pipe(
  Layer.provideMerge(Cgroups.layer),
  Layer.provideMerge(
    Layer.unwrap(
      Effect.sync(() => Journal.layer({ directory: mkdtempSync(join(tmpdir(), "wmo-process-arena-")), command: "process arena" }))
    )
  ),
  Layer.provideMerge(KernFs.layer)
)

export interface BurstResult {
  readonly bursts: number
  readonly passes: number
  readonly wrong: number
  readonly touches: number
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
  readonly sumMs: number
}

/** A child that says "ready" and ends with a line of JSON. */
export class Target {
  readonly child: ChildProcess
  #output = ""
  readonly ready: Promise<void>
  /** What it said last; rejects where it did not end by itself. */
  readonly result: Promise<BurstResult>

  constructor(program: ReadonlyArray<string>) {
    this.child = spawn(process.execPath, ["--liftoff-only", ...program], { stdio: ["ignore", "pipe", "inherit"] })
    let isReady = () => {}
    this.ready = new Promise((resolve) => (isReady = resolve))
    this.child.stdout!.on("data", (chunk: Buffer) => {
      this.#output += String(chunk)
      if (this.#output.includes("ready")) isReady()
    })
    this.result = new Promise((resolve, reject) => {
      this.child.on("close", (code, signal) => {
        isReady()
        const line = this.#output.trim().split("\n").at(-1) ?? ""
        if (code === 0 && line.startsWith("{")) resolve(JSON.parse(line) as BurstResult)
        else reject(new Error(`the target ended with ${signal ?? code}: ${line}`))
      })
    })
    this.result.catch(() => {})
  }

  get pid(): number {
    return this.child.pid!
  }
}

export interface Burst {
  readonly mib: number
  readonly activeMs: number
  readonly idleMs: number
  readonly bursts: number
}

const burstTarget = ({ activeMs, bursts, idleMs, mib }: Burst): Target =>
  new Target([target, String(mib), String(activeMs), String(idleMs), String(bursts)])

/** The target to its end, under an arena or (undefined) without. Gives what both say. */
export const runBurst = (
  burst: Burst,
  options: Omit<ProcessArenaOptions, "pid"> | undefined,
  during: (arena: ProcessArena, target: Target) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.gen(function* () {
    const running = yield* Effect.acquireRelease(
      Effect.sync(() => burstTarget(burst)),
      (made) => Effect.sync(() => void made.child.kill("SIGKILL"))
    )
    yield* Effect.promise(() => running.ready)
    let status: ProcessArenaStatus | undefined
    if (options !== undefined) {
      const arena = yield* openProcessArena({ ...options, pid: running.pid })
      yield* during(arena, running)
      yield* arena.ended
      status = arena.status()
    }
    const result = yield* Effect.promise(() => running.result)
    return { result, status }
  }).pipe(Effect.scoped)
