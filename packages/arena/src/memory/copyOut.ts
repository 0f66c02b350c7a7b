/** Copies bytes out of memory: few of them one by one, which is faster than making an array of the place they are in. */
import type { Bytes } from "@wmo/core"

const fewBytes = 24

export const copyOut = (memory: Uint8Array, start: Bytes, target: Uint8Array): void => {
  const { length } = target
  if (length > fewBytes) target.set(memory.subarray(start, start + length))
  else for (let at = 0; at < length; at++) target[at] = memory[start + at]!
}
