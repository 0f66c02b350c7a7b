/**
 * Small files of /proc and /sys, read again and again outside of `KernFs`: into one buffer. `readFileSync` takes a new one of 64 KiB for each file
 * whose size it is not told, and whoever looks at a hundred files a second with it collects garbage all the time.
 */
import { Result } from "effect"
import { closeSync, openSync, readSync } from "node:fs"
import type { Codec } from "./Codec.ts"

const buffer = Buffer.alloc(64 * 1024)

/** Good until the next call. */
const readIntoBuffer = (path: string): Buffer => {
  const descriptor = openSync(path, "r")
  try {
    return buffer.subarray(0, readSync(descriptor, buffer))
  } finally {
    closeSync(descriptor)
  }
}

/** What one read gives, which is all of a file of less than a page, in UTF-8, as names of groups are. Throws what `fs` throws. */
export const readSmall = (path: string): string => readIntoBuffer(path).toString("utf8")

/** What the file says; undefined where it cannot be read, or is not of this format. */
export const decodeSmall = <A>(path: string, codec: Codec<A>): A | undefined => {
  try {
    return Result.getOrUndefined(codec.decode(readIntoBuffer(path)))
  } catch {
    return undefined
  }
}
