/** What `wmo arena codecs` does. */
import { sampleKinds } from "@wmo/arena"
import { codecTable, fairestCodec, sweepCodecs } from "@wmo/lab"
import { formatBytes } from "@wmo/core"
import { Console, Effect } from "effect"
import { statSync } from "node:fs"
import type { ArenaCodecsFlags } from "../commands/arenaTools.ts"
import { ExitCode, Failure, usageError } from "../Exit.ts"
import { makeProgress } from "../progress.ts"

const mostChunkBytes = 2 ** 20

const listed = (words: ReadonlyArray<string>, all: ReadonlyArray<string>): ReadonlyArray<string> => {
  const names = words.flatMap((word) => word.split(",")).filter((name) => name !== "")
  return names.length > 0 ? names : all
}

export const arenaCodecs = Effect.fn("wmo arena codecs")(function* (flags: ArenaCodecsFlags) {
  const codecs = listed(flags.codec, ["lz4", "lz4-wasm", "zstd--5", "zstd-1", "zstd", "zstd-9"])
  const data = listed(flags.data, sampleKinds)
  const chunkBytes = flags.chunk.length > 0 ? flags.chunk : [4096, 65_536, 262_144]
  for (const bytes of chunkBytes) {
    if (!(bytes >= 1024 && bytes <= mostChunkBytes)) return yield* usageError(`--chunk ${bytes}: chunks are 1K to 1M`)
  }
  for (const name of data) {
    const isKnown = (sampleKinds as ReadonlyArray<string>).includes(name) || statSync(name, { throwIfNoEntry: false })?.isFile() === true
    if (!isKnown) return yield* usageError(`--data ${name}: neither a file nor one of ${sampleKinds.join(", ")}`)
  }
  if (flags.bytes < 2 ** 16 || flags.bytes > 2 ** 30) return yield* usageError("--bytes must be 64K to 1G")
  if (!(flags.readback >= 0)) return yield* usageError("--readback must not be negative")
  const steps = codecs.length * data.length * chunkBytes.length
  const progress = makeProgress(steps)
  let done = 0
  const rows = yield* Effect.tryPromise({
    try: () =>
      sweepCodecs({
        codecs,
        data,
        chunkBytes,
        bytes: flags.bytes,
        seed: flags.seed,
        readbackFactor: flags.readback,
        onRow: ({ codec, data: name }) => progress.show(done++, 1, `${codec} on ${name}`)
      }),
    catch: (problem) => {
      const message = problem instanceof Error ? problem.message : String(problem)
      return message.includes("codec") ? usageError(message) : new Failure({ message, exitCode: ExitCode.failed })
    }
  }).pipe(Effect.ensuring(Effect.sync(progress.clear)))
  if (flags.json) return yield* Console.log(JSON.stringify(rows, null, 2))
  yield* Console.log(codecTable(rows))
  const fairest = fairestCodec(rows)
  yield* Console.log(
    `\n${formatBytes(flags.bytes)} of each kind. fair_score: bytes saved per millisecond of compressing once and reading back ${flags.readback} times.` +
      (fairest === undefined ? "" : ` Best by it: ${fairest.codec}, in ${fairest.wins} of ${fairest.of} rows of data and chunk size.`)
  )
})
