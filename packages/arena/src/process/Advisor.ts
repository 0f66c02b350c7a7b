/**
 * Who tells the kernel to page out and to read in: by process_madvise, on a pidfd; or, where system calls are not to be had, by sysfs alone: a second
 * kdamond whose regions are the very ranges, with one scheme, applied once and taken off again. Both say what the kernel has taken, not what came
 * of it: the page tables tell that. Source: process_madvise(2); DAMOS actions pageout and willneed (kernel Documentation/mm/damon/design.rst).
 */
import {
  type Bytes,
  type DamonCommandError,
  type DamonUnsupported,
  type JournalFailure,
  type KernelError,
  type KernFsError,
  makeKdamond,
  makeScheme,
  type OwnedDamon,
  ProcessMemory
} from "@wmo/core"
import { Effect, type Scope, Semaphore } from "effect"

export interface AdviceRange {
  readonly start: number
  readonly bytes: Bytes
}

type AdviceError = KernelError | JournalFailure | DamonCommandError | DamonUnsupported

export interface Advisor {
  readonly by: "syscall" | "sysfs" | "nobody"
  /**
   * Bytes that the kernel took of whole pages in order. What is not mapped any more, locked, or in use by others too is left out. Off this thread,
   * at most `batchBytes` a call. Fails with an error that `isGone` when the process is.
   */
  readonly advise: (
    advice: "pageout" | "willneed",
    ranges: ReadonlyArray<AdviceRange>,
    batchBytes: Bytes
  ) => Effect.Effect<{ readonly bytes: Bytes; readonly refused?: string | undefined }, AdviceError>
}

/** Through process_madvise: Linux 5.13 for reading in. */
export const syscallAdvisor: (process: {
  readonly pid: number
  readonly startTime: bigint
}) => Effect.Effect<Advisor, KernelError, ProcessMemory | Scope.Scope> = Effect.fnUntraced(function* (identity) {
  const opened = yield* (yield* ProcessMemory).open(identity)
  return {
    by: "syscall",
    advise: (advice, ranges, batchBytes) =>
      Effect.map(
        opened.advise(
          advice,
          ranges.map(({ bytes, start }) => ({ start: BigInt(start), bytes })),
          { batchBytes }
        ),
        ({ bytes, ranges: taken }) => {
          const refused = taken.find((range) => range.refused !== undefined)?.refused
          return { bytes, refused: refused?._tag }
        }
      )
  } satisfies Advisor
})

/** How often the kdamond looks whether its turn has come, and how long it may take: 2 ms and 30 s. */
const turnUs = 2000
const patienceMs = 30_000
const lookMs = 5
/** No quota lasts longer than this: what was applied once is not applied again. */
const onceMs = 1e9

/** Through sysfs alone: needs the second of two kdamonds of the same owner, which is on only while something is advised. */
export const damosAdvisor = (owned: OwnedDamon, pid: number, index: number): Advisor => {
  // One kdamond: who pages out and who reads in take turns, a batch each.
  const turn = Semaphore.makeUnsafe(1)
  const once = Effect.fnUntraced(function* (action: "pageout" | "willneed", ranges: ReadonlyArray<AdviceRange>) {
    const total = ranges.reduce((sum, { bytes }) => sum + bytes, 0)
    const min = Math.max(3, ranges.length)
    yield* owned.stage(
      makeKdamond({
        operations: "fvaddr",
        pids: [pid],
        regions: ranges.map(({ bytes, start }) => ({ start: BigInt(start), end: BigInt(start + bytes) })),
        intervals: { sampleUs: turnUs, aggrUs: turnUs, updateUs: 60_000_000 },
        nrRegions: { min, max: 2 * min },
        schemes: [makeScheme({ action, quotas: { bytes: total, resetIntervalMs: onceMs } })]
      }),
      index
    )
    yield* owned.start(index)
    return yield* Effect.gen(function* () {
      for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += lookMs) {
        const [stats] = yield* owned.updateStats(index)
        if (stats !== undefined && stats.szTried >= BigInt(total)) return { bytes: Math.min(total, Number(stats.szApplied)) }
        yield* Effect.sleep(lookMs)
      }
      return { bytes: 0, refused: "the kdamond did not come round to it" }
    }).pipe(Effect.ensuring(Effect.ignore(owned.stop(index))))
  })
  return {
    by: "sysfs",
    advise: Effect.fnUntraced(function* (advice, ranges, batchBytes) {
      let bytes = 0
      let refused: string | undefined
      for (const batch of batches(ranges, batchBytes)) {
        const taken = yield* turn.withPermit(Effect.uninterruptible(once(advice, batch)))
        bytes += taken.bytes
        refused ??= taken.refused
      }
      return { bytes, refused }
    })
  }
}

/** For a dry run: takes everything, does nothing. */
export const pretendAdvisor: Advisor = {
  by: "nobody",
  advise: (_, ranges) => Effect.succeed({ bytes: ranges.reduce((sum, { bytes }) => sum + bytes, 0) })
}

/** Cuts ranges into lots of at most so many bytes, of at most 64 ranges. */
export const batches = (ranges: ReadonlyArray<AdviceRange>, batchBytes: Bytes): ReadonlyArray<ReadonlyArray<AdviceRange>> => {
  const lots: Array<Array<AdviceRange>> = []
  let room = 0
  for (const range of ranges) {
    for (let at = range.start; at < range.start + range.bytes;) {
      if (room === 0 || lots.at(-1)!.length === 64) {
        lots.push([])
        room = batchBytes
      }
      const bytes = Math.min(room, range.start + range.bytes - at)
      lots.at(-1)!.push({ start: at, bytes })
      at += bytes
      room -= bytes
    }
  }
  return lots
}

const isOfKernel = (error: unknown): error is KernFsError => error instanceof Error && (error as { _tag?: unknown })._tag === "KernFsError"
/** Whether an error says that the process is no more, or that we may not (any more). */
export const isEndOfProcess = (error: unknown): boolean => isOfKernel(error) && error.isGone
export const isForbidden = (error: unknown): boolean => isOfKernel(error) && error.reason._tag === "PermissionDenied"
