/**
 * Gives memory that the C library has freed, but keeps for itself, back to the kernel (malloc_trim, glibc). V8 takes twenty megabytes of it to compile a
 * bundle, and never again. V8's own heap is not concerned. Does nothing where there is no such call (musl) or koffi has no binary.
 */
import { createRequire } from "node:module"

/** Whether anything was given back. */
export const trimHeap = (): boolean => {
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi").default
    const trim: (pad: number) => number = koffi.load("libc.so.6").func("int malloc_trim(size_t pad)")
    return trim(0) === 1
  } catch {
    return false
  }
}
