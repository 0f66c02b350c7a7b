/**
 * Codecs of the one-line files: an amount in bytes, a limit, a number, a boolean, a word, a reclaim request.
 * Formats: kernel Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files"; module parameters print `Y`/`N`.
 */
import { type Codec, exactNumber, oneRecord, printNumber, quote, reject, textCodec } from "./Codec.ts"
import type { Bytes } from "./Units.ts"

/** A limit in bytes, or `max` for none. */
export type Limit = Bytes | "max"

/** A limit as a number: `max` is Infinity. */
export const limitBytes = (limit: Limit): Bytes => (limit === "max" ? Infinity : limit)

const oneLine = (lines: ReadonlyArray<string>): string =>
  lines.length === 1 ? lines[0]! : reject(1, `expected one line, found ${lines.length}`)

/** A file that holds one amount, as `memory.current` does. */
export const bytesFile = (file: string): Codec<Bytes> =>
  oneRecord(
    textCodec(
      file,
      (lines) => exactNumber(oneLine(lines), 1),
      (value) => `${printNumber(value)}\n`
    )
  )

/** A file that holds an amount or `max`, as `memory.high` does. */
export const limitFile = (file: string): Codec<Limit> =>
  oneRecord(
    textCodec(
      file,
      (lines) => (oneLine(lines) === "max" ? "max" : exactNumber(lines[0]!, 1)),
      (value) => `${value === "max" || value === Infinity ? "max" : printNumber(value)}\n`
    )
  )

/** A module parameter or switch: printed `Y`/`N` or `1`/`0`; encoded as `Y`/`N`. */
export const booleanFile = (file: string): Codec<boolean> =>
  oneRecord(
    textCodec(
      file,
      (lines) => {
        const word = oneLine(lines)
        if (/^[Yy1]$/.test(word)) return true
        if (/^[Nn0]$/.test(word)) return false
        return reject(1, `${quote(word)} is neither Y nor N`)
      },
      (value) => (value ? "Y\n" : "N\n")
    )
  )

/** A file that holds one word, as a zswap compressor. */
export const wordFile = (file: string): Codec<string> =>
  oneRecord(
    textCodec(
      file,
      (lines) => (/^\S+$/.test(oneLine(lines)) ? lines[0]! : reject(1, `${quote(lines[0]!)} is not one word`)),
      (value) => `${value}\n`
    )
  )

/** A write to `memory.reclaim`: how much, and the balance of anon against file for this request only (`max`: anon only, since 6.17). */
export interface ReclaimRequest {
  readonly bytes: Bytes
  readonly swappiness?: number | "max" | undefined
  /** Only write back from zswap to the swap device, without reclaiming (newest kernels; others answer EINVAL). */
  readonly source?: "zswap" | undefined
}

/** `memory.reclaim` (since 5.19; `swappiness=` since 6.11; `source=` newest): write-only. Decoding serves fakes: it accepts the suffixes the kernel does. */
export const reclaimRequest: Codec<ReclaimRequest> = textCodec<ReclaimRequest>(
  "memory.reclaim",
  (lines) => {
    const [size, ...options] = oneLine(lines).trim().split(/\s+/)
    const match = /^(\d+)([KkMmGgTtPpEe]?)$/.exec(size!)
    if (match === null) return reject(1, `${quote(size!)} is not a size`)
    const scale = match[2] === "" ? 1 : 1024 ** ("kmgtpe".indexOf(match[2]!.toLowerCase()) + 1)
    const bytes = exactNumber(match[1]!, 1) * scale
    const request: { bytes: Bytes; swappiness?: number | "max"; source?: "zswap" } = { bytes }
    for (const option of options) {
      const [, swappiness, source] =
        /^(?:swappiness=(max|\d+)|source=(zswap))$/.exec(option) ?? reject(1, `${quote(option)} is not an option`)
      if (source !== undefined) request.source = "zswap"
      else request.swappiness = swappiness === "max" ? swappiness : exactNumber(swappiness!, 1)
    }
    if (typeof request.swappiness === "number" && request.swappiness > 200) return reject(1, "swappiness is 0 to 200")
    return request
  },
  ({ bytes, source, swappiness }) =>
    `${printNumber(bytes)}${swappiness === undefined ? "" : ` swappiness=${swappiness}`}${source === undefined ? "" : ` source=${source}`}`
)
