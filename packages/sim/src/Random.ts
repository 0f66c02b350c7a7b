/**
 * Seeded random numbers: small, fast and the same on every machine. Not for cryptography.
 * One stream per purpose (forked by name), so that adding a draw in one place does not change another.
 * Source: Marsaglia, "Xorshift RNGs", 2003 (13, 17, 5); seeds are mixed by MurmurHash3's finalizer.
 */

const mix = (hash: number): number => {
  let h = hash | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

export class Random {
  /** The generator's state: a non-zero 32-bit integer. Tight loops copy it to a local variable and put it back. */
  state: number

  constructor(seed: number) {
    this.state = mix(Math.imul(seed | 0, 0x9e3779b1) ^ mix(Math.floor(seed / 2 ** 32) | 0)) || 0x6d2b79f5
  }

  /** A stream of its own for `name`; the same one for the same seed and name. */
  static stream(seed: number, name: string): Random {
    let hash = mix(seed)
    for (let i = 0; i < name.length; i++) hash = mix(Math.imul(hash, 31) + name.charCodeAt(i))
    return new Random(hash)
  }

  /** 32 random bits, never all zero. */
  nextBits(): number {
    let x = this.state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.state = x
    return x >>> 0
  }

  /** Uniform in [0, 1). */
  nextFraction(): number {
    return this.nextBits() / 2 ** 32
  }

  /** A uniform integer in [0, below). */
  nextBelow(below: number): number {
    return Math.floor(this.nextFraction() * below)
  }
}
