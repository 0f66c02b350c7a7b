/**
 * What can stand behind the fake kernel's DAMON files instead of made-up answers: kdamonds that monitor something. Plain data in and out; the
 * files, their words and their refusals stay the fake's.
 */
import type { DamonModuleName } from "../damon/DamonErrors.ts"
import type { DamonContext, DamonIntervals, DamonTriedRegion } from "../damon/DamonTree.ts"
import type { DamonTracepoint } from "../damon/DamonTraceEvent.ts"

/** Counters of one scheme since it was started. */
export interface DamonEngineStats {
  readonly nrTried: bigint
  readonly szTried: bigint
  readonly nrApplied: bigint
  readonly szApplied: bigint
  readonly qtExceeds: bigint
}

/** Somebody who reads tracepoints. */
export interface DamonTraceReader {
  /** Asked before a line is made. */
  readonly wants: (tracepoint: DamonTracepoint) => boolean
  /** Takes a line as trace_pipe prints it, with its line end. */
  readonly take: (line: string) => void
}

/** Kdamonds are named by their index, schemes by theirs. */
export interface DamonEngine {
  /** A kdamond is on from now on; its set-up has been checked. */
  readonly start: (kdamond: number, pid: number, context: DamonContext) => void
  readonly commit: (kdamond: number, context: DamonContext) => void
  /** Takes the goals of each scheme and nothing else. */
  readonly commitGoals: (kdamond: number, context: DamonContext) => void
  readonly stop: (kdamond: number) => void
  /** False once all of its targets have ended. */
  readonly isRunning: (kdamond: number) => boolean
  readonly intervals: (kdamond: number) => DamonIntervals
  readonly stats: (kdamond: number, scheme: number) => DamonEngineStats
  readonly effectiveBytes: (kdamond: number, scheme: number) => number
  /** Lets time pass until all schemes have had their next turn; the regions that each was tried on then. */
  readonly tryOnce: (kdamond: number) => ReadonlyArray<ReadonlyArray<DamonTriedRegion>>
  readonly startModule: (module: DamonModuleName, pid: number, parameters: ReadonlyMap<string, string>) => void
  readonly commitModule: (module: DamonModuleName, parameters: ReadonlyMap<string, string>) => void
  readonly stopModule: (module: DamonModuleName) => void
  /** What the module's own files say, by file; undefined: what they said before. */
  readonly moduleOutput: (module: DamonModuleName, file: string) => string | undefined
  /** Physical memory as modules monitor it by default: first and last byte. */
  readonly systemRam: () => { readonly start: number; readonly end: number }
  readonly addTraceReader: (reader: DamonTraceReader) => void
  readonly removeTraceReader: (reader: DamonTraceReader) => void
}
