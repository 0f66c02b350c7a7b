/**
 * Takes the process's own program text out of its address space (MADV_DONTNEED, on private file mappings that can be executed and not be written). Nothing is lost:
 * the pages are the file's, and what is used is mapped again at once, sixteen pages at a time. What only starting needed stays out, 10 of 50 MiB of Node's, and
 * the kernel can drop it like any cached file. Does nothing where koffi has no binary.
 */
import { Result } from "effect"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import type { Bytes } from "../Units.ts"
import { maps } from "../processes/Mapping.ts"

const MADV_DONTNEED = 4

/** How much was taken out, mapped or not; 0 where it could not be. */
export const unmapText = (): Bytes => {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi").default
    const madvise: (start: bigint, bytes: bigint, advice: number) => number = koffi
      .load(null)
      .func("int madvise(uintptr_t start, size_t bytes, int advice)")
    return Result.getOrThrow(maps.decode(readFileSync("/proc/self/maps")))
      .filter(({ inode, permissions }) => permissions === "r-xp" && inode !== 0n)
      .reduce((sum, { end, start }) => (madvise(start, end - start, MADV_DONTNEED) === 0 ? sum + Number(end - start) : sum), 0)
  } catch {
    return 0
  }
}
