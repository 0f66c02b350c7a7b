/**
 * Makes the processor forget address translations, since it sets a page's accessed bit only when it looks the page up anew. A process that
 * uses more memory than the TLB covers does that by itself on real processors; under emulation, which remembers much more, it does not, and
 * what it uses all the time looks idle to the kernel.
 */
const page = 4096

/** More pages than the kernel forgets one by one (33 on x86): it has the processor forget all. */
const scratchBytes = 64 * page

/** Each call of what it gives flushes the translations of this thread's processor. */
export const makeForgetful = (): (() => void) => {
  const scratch = new ArrayBuffer(0, { maxByteLength: scratchBytes })
  const bytes = new Uint8Array(scratch)
  return () => {
    scratch.resize(scratchBytes)
    for (let at = 0; at < scratchBytes; at += page) bytes[at] = 1
    scratch.resize(0)
  }
}
