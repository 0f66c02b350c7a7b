/** A seeded generator (mulberry32), so that a failure comes again. */
export interface Random {
  /** An integer in [0, below). */
  readonly below: (below: number) => number
}

export const makeRandom = (seed: number): Random => {
  let state = seed | 0
  return {
    below: (below) => {
      state = (state + 0x6d2b79f5) | 0
      let t = Math.imul(state ^ (state >>> 15), 1 | state)
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
      return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
    }
  }
}
