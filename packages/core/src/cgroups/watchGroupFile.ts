/**
 * What an events file of a group says, as a stream: woken by the kernel when the file changes (POLLPRI), and by the group's parent directory
 * when the group is removed, since kernfs does not wake whoever waits on a file that goes. Does not know the formats.
 * Source: kernfs_generic_poll in fs/kernfs/file.c: an event is told until the file has been read again.
 */
import { Duration, Effect, Queue, Result, Stream } from "effect"
import type { Codec } from "../Codec.ts"
import type { KernelError, KernFs, OpenFile } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import type { Milliseconds } from "../Units.ts"

/** An open file from its beginning to its end. */
const readOpen = (file: OpenFile): Result.Result<Uint8Array, KernFsError> => {
  let bytes = new Uint8Array(4096)
  let length = 0
  for (;;) {
    const got = file.readInto(bytes.subarray(length), length)
    if (Result.isFailure(got)) return Result.fail(got.failure)
    length += got.success
    if (got.success === 0) return Result.succeed(bytes.subarray(0, length))
    if (length === bytes.length) {
      const larger = new Uint8Array(length * 2)
      larger.set(bytes)
      bytes = larger
    }
  }
}

/** Decodes an open file from its beginning. */
export const decodeOpen = <A>(file: OpenFile, codec: Codec<A>): Effect.Effect<A, KernelError> =>
  Effect.suspend(() => Effect.flatMap(Effect.fromResult(readOpen(file)), (bytes) => Effect.fromResult(codec.decode(bytes))))

/** See `Cgroups.watchFile`. Every `everyMs` the file is read in any case. */
export const watchGroupFile = <A>(
  fs: KernFs["Service"],
  path: (group: string, file?: string) => string,
  group: string,
  codec: Codec<A>,
  everyMs: Milliseconds
): Stream.Stream<A, KernelError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const file = yield* fs.open(path(group, codec.file), "read")
      const wakes = yield* Queue.sliding<void>(1)
      if (group !== "") {
        yield* fs.watchDirectory(path(group.slice(0, Math.max(0, group.lastIndexOf("/")))), () => Queue.offerUnsafe(wakes, undefined))
      }
      const woken = Effect.timeoutOption(Effect.raceFirst(fs.awaitEvent(file), Queue.take(wakes)), Duration.millis(everyMs))
      let said: Uint8Array | undefined
      const next = Effect.gen(function* () {
        for (;;) {
          if (said !== undefined) yield* woken
          const bytes = yield* Effect.fromResult(readOpen(file))
          if (said !== undefined && Buffer.compare(bytes, said) === 0) continue
          said = bytes
          return yield* Effect.fromResult(codec.decode(bytes))
        }
      })
      return Stream.fromEffectRepeat(next)
    })
  )
