/**
 * Which key a request of a key-value workload goes to: normally distributed around the middle of the key space, as caches see it (few keys take
 * most requests, the far ends are hardly ever asked for). Seeded; cut off at the ends. Box–Muller, one pair at a time.
 */
import { random } from "./verifiedMemory.ts"

/** `sigma` is a share of the key space: with 0.1 two thirds of all requests go to the middle fifth. Gives keys from 0 to `keys - 1`. */
export const gaussianKeys = (keys: number, sigma: number, seed: number): (() => number) => {
  const next = random(seed)
  const uniform = () => (next() + 0.5) / 2 ** 32
  let spare: number | undefined
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()))
    const angle = 2 * Math.PI * uniform()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
  return () => {
    for (;;) {
      const key = Math.floor(keys * (0.5 + sigma * normal()))
      if (key >= 0 && key < keys) return key
    }
  }
}
