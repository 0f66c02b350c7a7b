/**
 * Small files of /proc and /sys, read again and again outside of `KernFs`: into one buffer. `readFileSync` takes a new one of 64 KiB for each file
 * whose size it is not told, and whoever looks at a hundred files a second with it collects garbage all the time.
 */
import { closeSync, openSync, readSync } from "node:fs"

const buffer = Buffer.alloc(64 * 1024)

/** What one read gives, which is all of a file of less than a page: good until the next call. Throws what `fs` throws. */
export const readSmallBytes = (path: string): Uint8Array => {
  const descriptor = openSync(path, "r")
  try {
    return buffer.subarray(0, readSync(descriptor, buffer))
  } finally {
    closeSync(descriptor)
  }
}

/** The same as text, in UTF-8, as names of groups are. */
export const readSmall = (path: string): string => {
  const { byteLength } = readSmallBytes(path)
  return buffer.toString("utf8", 0, byteLength)
}
