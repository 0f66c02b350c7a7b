/**
 * Runs one memory workload in a process of its own and watches from outside what that process holds: RSS and PSS of `smaps_rollup`, at irregular
 * times so that no period hides between them. What is measured is all of the process: Node, metadata and pool included.
 */
import { type Bytes, decodeSmall, type Milliseconds, smapsRollup } from "@wmo/core"
import { Data, Effect } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import type { MemoryPlaces, MemoryWorkloadResult } from "../workloads/memory/runMemoryWorkload.ts"

/** The run's process did not say what it should have. */
export class WatchedRunFailed extends Data.TaggedError("WatchedRunFailed")<{ readonly message: string }> {}

export interface Watched {
  readonly result: MemoryWorkloadResult
  /** After loading, before anything was compressed. */
  readonly rss_before_bytes: Bytes
  readonly pss_before_bytes: Bytes
  /** While it was measured. */
  readonly rss_mean_bytes: Bytes
  readonly pss_mean_bytes: Bytes
  readonly pss_least_bytes: Bytes
  readonly pss_byte_seconds: number
  readonly samples: number
}

interface Sample {
  readonly atMs: Milliseconds
  readonly rss: Bytes
  readonly pss: Bytes
}

const leastPauseMs: Milliseconds = 100
const mostPauseMs: Milliseconds = 300

/** Undefined when the process is gone. */
const sampleOf = (pid: number): Sample | undefined => {
  const { Pss, Rss } = decodeSmall(`/proc/${pid}/smaps_rollup`, smapsRollup)?.amounts ?? {}
  return Pss === undefined || Rss === undefined ? undefined : { atMs: performance.now(), rss: Rss, pss: Pss }
}

/** The area below the samples, by trapezoids, over the time between the first and the last. */
export const byteSeconds = (samples: ReadonlyArray<{ readonly atMs: Milliseconds; readonly bytes: Bytes }>): number =>
  samples.slice(1).reduce((sum, { atMs, bytes }, at) => sum + (((bytes + samples[at]!.bytes) / 2) * (atMs - samples[at]!.atMs)) / 1000, 0)

const summary = (result: MemoryWorkloadResult, before: Sample, samples: ReadonlyArray<Sample>): Watched => {
  const area = (of: "pss" | "rss"): number => byteSeconds(samples.map(({ atMs, ...bytes }) => ({ atMs, bytes: bytes[of] })))
  const seconds = (samples.at(-1)!.atMs - samples[0]!.atMs) / 1000
  return {
    result,
    rss_before_bytes: before.rss,
    pss_before_bytes: before.pss,
    rss_mean_bytes: area("rss") / seconds,
    pss_mean_bytes: area("pss") / seconds,
    pss_least_bytes: Math.min(...samples.map(({ pss }) => pss)),
    pss_byte_seconds: area("pss"),
    samples: samples.length
  }
}

type Line = Partial<MemoryWorkloadResult> & Partial<MemoryPlaces> & { readonly event?: "measuring" | "measured" }

/** For whoever watches, too: its memory is filled; what follows counts, up to the end. */
export interface WatchedMoments {
  /** The workload waits until `go` is called. */
  readonly loaded: (places: MemoryPlaces, go: () => void) => void
  readonly measuring: () => void
  readonly measured: () => void
}

/** `program`: the script of this command line; `args`: of `wmo workload`, without `--json`. The process ends with the effect. */
export const watchedRun = (
  program: string,
  args: ReadonlyArray<string>,
  moments?: WatchedMoments
): Effect.Effect<Watched, WatchedRunFailed> =>
  Effect.callback((resume) => {
    const wait = moments === undefined ? [] : ["--wait"]
    const child = spawn(process.execPath, [...process.execArgv, program, "workload", ...args, ...wait, "--json"], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, WMO_RESULT: undefined }
    })
    let problems = ""
    let result: MemoryWorkloadResult | undefined
    let before: Sample | undefined
    const samples: Array<Sample> = []
    let timer: NodeJS.Timeout | undefined
    const take = (): void => {
      const sample = sampleOf(child.pid!)
      if (sample !== undefined) samples.push(sample)
      timer = setTimeout(take, leastPauseMs + Math.random() * (mostPauseMs - leastPauseMs))
    }
    const fail = (message: string): void => {
      clearTimeout(timer)
      resume(Effect.fail(new WatchedRunFailed({ message })))
    }
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as Line
      if (line.event === "measuring") {
        moments?.measuring()
        take()
      } else if (line.event === "measured") {
        moments?.measured()
        clearTimeout(timer)
        const last = sampleOf(child.pid!)
        if (last !== undefined) samples.push(last)
      } else if (line.pid !== undefined) {
        before = sampleOf(line.pid)
        moments?.loaded(line as MemoryPlaces, () => child.stdin.write("\n"))
      } else {
        result = line as MemoryWorkloadResult
        // It has said all; it need not take its memory apart, either.
        child.kill("SIGKILL")
      }
    })
    child.stderr.on("data", (chunk: Buffer) => (problems = (problems + chunk.toString()).slice(-4096)))
    child.on("error", ({ message }) => fail(`cannot start a process for the run: ${message}`))
    child.on("close", (code, signal) => {
      if (result !== undefined && before !== undefined && samples.length > 1) {
        clearTimeout(timer)
        resume(Effect.succeed(summary(result, before, samples)))
      } else {
        const last = problems
          .trim()
          .split("\n")
          .at(-1)
          ?.replace(/^wmo: /, "")
        fail(`the run's process ended early (${signal ?? `exit code ${code}`})${last === undefined ? "" : `: ${last}`}`)
      }
    })
    return Effect.sync(() => {
      clearTimeout(timer)
      child.kill("SIGKILL")
    })
  })
