/**
 * Advice to the kernel on another process's memory, through process_madvise(2) on a pidfd: page out, cold, will need, collapse.
 * Does not choose ranges (see PageMap and `smaps`) nor report effects: the kernel tells bytes advised, not pages moved; read `smaps_rollup`.
 * Source: process_madvise(2); mm/madvise.c. Since 5.10 (cold, page out), 5.13 (will need), 6.1 (collapse).
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { KernFs, type KernelError } from "../KernFs.ts"
import { fromThrown, KernFsError, type KernFsReason } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import type { AddressRange, CallResult } from "../native/libc.ts"
import { SystemCalls, systemCalls } from "../native/SystemCalls.ts"
import type { Bytes } from "../Units.ts"
import { isDead, type ProcessIdentity, processStat } from "./ProcessStat.ts"

const adviceNumbers = { willneed: 3, cold: 20, pageout: 21, collapse: 25 } as const

/**
 * - `cold`: to the old end of the LRU lists; nothing is moved yet.
 * - `pageout`: reclaimed now; anonymous pages go to swap. Leaves out pages that other processes map too.
 * - `willneed`: read in from swap (zswap included) ahead of time, into the swap cache: the process maps them when it touches them, by a
 *   minor fault.
 * - `collapse`: into huge pages, now. Ranges should be aligned to 2 MiB.
 */
export type Advice = keyof typeof adviceNumbers

export interface AdviceOptions {
  /** At most so much is advised in one call, so that none holds a pool thread for long. 4 MiB by default; `collapse` takes whole 2 MiB. */
  readonly batchBytes?: Bytes
}

/** What the kernel took. */
export interface Advised {
  /** Sum over all ranges. */
  readonly bytes: Bytes
  /** One for each range that was passed in, in their order. `refused`: why (the last) part of it was left out. */
  readonly ranges: ReadonlyArray<{ readonly bytes: Bytes; readonly refused?: KernFsReason }>
}

/** A process that is held by a pidfd: its pid cannot come to mean another one. */
export interface OpenProcess extends ProcessIdentity {
  /**
   * Advises on ranges of whole pages, in batches on a pool thread; can be interrupted between them. What is not mapped (any more), locked
   * or of a kind that takes no such advice is `refused` and passed over. Fails with `NoProcess` once the process is gone, with
   * `PermissionDenied`, with `Invalid` on an advice that this kernel does not know.
   */
  readonly advise: (advice: Advice, ranges: ReadonlyArray<AddressRange>, options?: AdviceOptions) => Effect.Effect<Advised, KernFsError>
}

/** IOV_MAX. */
const rangesAtMost = 1024
const defaultBatch = 4 * 2 ** 20
const hugePage = 2 * 2 ** 20
const retriesAtMost = 10

interface Piece extends AddressRange {
  /** Which of the caller's ranges it is of. */
  readonly of: number
}

/** Cuts ranges at multiples of the batch size, so that pieces of huge pages stay whole. */
const piecesOf = (ranges: ReadonlyArray<AddressRange>, batch: number): Array<Piece> => {
  const size = BigInt(batch)
  return ranges.flatMap(({ bytes, start }, of) => {
    const pieces: Array<Piece> = []
    const end = start + BigInt(bytes)
    for (let at = start; at < end;) {
      const cut = (at / size + 1n) * size
      const next = cut < end ? cut : end
      pieces.push({ of, start: at, bytes: Number(next - at) })
      at = next
    }
    return pieces
  })
}

/** The first pieces that fit into a call. */
const batchOf = (pieces: ReadonlyArray<Piece>, from: number, bytesAtMost: Bytes): ReadonlyArray<Piece> => {
  let bytes = 0
  let to = from
  while (to < pieces.length && to - from < rangesAtMost && (to === from || bytes + pieces[to]!.bytes <= bytesAtMost)) {
    bytes += pieces[to]!.bytes
    to++
  }
  return pieces.slice(from, to)
}

/** Whether a refusal concerns the range only, so that others may still be advised on. */
const isOfRange = ({ _tag, ...rest }: KernFsReason): boolean =>
  _tag === "Invalid" ||
  _tag === "Busy" ||
  _tag === "Again" ||
  (_tag === "Other" && "errno" in rest && /^(?:ENOMEM|EFAULT|EIO)$/.test(rest.errno))

export class ProcessMemory extends Context.Service<
  ProcessMemory,
  {
    /**
     * Opens a process; its pidfd is closed with the scope. With a `startTime`, fails with `NoProcess` if the pid is another process's by
     * now; without one, takes whoever has the pid. Since 5.3.
     */
    readonly open: (process: {
      readonly pid: number
      readonly startTime?: bigint | undefined
    }) => Effect.Effect<OpenProcess, KernelError, Scope.Scope>
  }
>()("@wmo/core/ProcessMemory") {
  static readonly layer: Layer.Layer<ProcessMemory, never, KernFs> = Layer.effect(
    ProcessMemory,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { proc } = yield* KernelRoots
      const load = yield* SystemCalls

      return ProcessMemory.of({
        open: Effect.fn("ProcessMemory.open")(function* ({ pid, startTime }) {
          const path = `${proc}/${pid}`
          const calls = yield* systemCalls(load, "open", path)
          const valueOf = (operation: "open" | "advise", { errno, value }: CallResult) =>
            errno === undefined ? Effect.succeed(value) : Effect.fail(fromThrown(operation, path, { code: errno }))
          const pidfd = yield* Effect.acquireRelease(
            Effect.suspend(() => valueOf("open", calls.pidfdOpen(pid))),
            (fd) => Effect.sync(() => calls.close(fd))
          )
          // After the pidfd: whoever has this start time now is who the pidfd means.
          const stat = yield* fs.decode(`${path}/stat`, processStat)
          if ((startTime !== undefined && stat.startTime !== startTime) || isDead(stat)) {
            return yield* new KernFsError({ operation: "open", path, reason: { _tag: "NoProcess" } })
          }

          /** One call, again while a signal or a lack of something passing is in its way. */
          const adviseOnce = (advice: Advice, pieces: ReadonlyArray<Piece>) =>
            Effect.promise(() => calls.processMadvise(pidfd, pieces, adviceNumbers[advice])).pipe(
              Effect.flatMap((result) => valueOf("advise", result)),
              Effect.retry({ while: (error) => error.isRetryable, times: retriesAtMost }),
              Effect.uninterruptible
            )

          const advise = Effect.fn("ProcessMemory.advise")(function* (
            advice: Advice,
            ranges: ReadonlyArray<AddressRange>,
            options?: AdviceOptions
          ) {
            const wanted = Math.max(4096, Math.floor((options?.batchBytes ?? defaultBatch) / 4096) * 4096)
            const batch = advice === "collapse" ? Math.max(hugePage, Math.floor(wanted / hugePage) * hugePage) : wanted
            const pieces = piecesOf(ranges, batch)
            const taken = ranges.map((): { bytes: Bytes; refused?: KernFsReason } => ({ bytes: 0 }))
            for (let from = 0; from < pieces.length;) {
              const asked = batchOf(pieces, from, batch)
              const answer = yield* Effect.result(adviseOnce(advice, asked))
              if (answer._tag === "Failure") {
                const { failure } = answer
                if (!isOfRange(failure.reason) || (failure.reason._tag === "Invalid" && !(yield* knows(advice)))) {
                  return yield* Effect.fail(failure)
                }
                // The kernel stops at the first that it does not take, having taken none: it is that one.
                taken[asked[0]!.of]!.refused = failure.reason
                from++
                continue
              }
              let left = answer.success
              for (const { bytes, of } of asked) {
                const part = Math.min(left, bytes)
                taken[of]!.bytes += part
                left -= part
                // A piece that was taken in part goes on from there in the next call.
                if (part < bytes) {
                  const piece = pieces[from]!
                  if (part > 0) pieces[from] = { of, start: piece.start + BigInt(part), bytes: bytes - part }
                  break
                }
                from++
              }
              // Nothing taken and no error: the kernel would say the same again.
              if (answer.success === 0) {
                taken[asked[0]!.of]!.refused = { _tag: "Invalid" }
                from++
              }
            }
            return { bytes: taken.reduce((sum, { bytes }) => sum + bytes, 0), ranges: taken }
          })

          /** Whether the kernel knows the advice: one on no ranges at all succeeds then. */
          const knows = (advice: Advice) =>
            Effect.promise(() => calls.processMadvise(pidfd, [], adviceNumbers[advice])).pipe(Effect.map(({ errno }) => errno !== "EINVAL"))
          return { pid, startTime: stat.startTime, advise }
        })
      })
    })
  )
}
