/** What an arena has done since it was made. Every number only grows, and nothing ever resets one: subtract two looks for a rate. */

export interface Counters {
  /** Chunks stored compressed, and those of them that were one value repeated. */
  compressed: number
  filled: number
  /** Attempts that saved too little, that the pool had no room for, and whose result was dropped for a touch. */
  incompressible: number
  poolFull: number
  dropped: number
  /** Restores that a reader or writer waited for, and those done before. */
  demandRestores: number
  earlyRestores: number
  /** Early restores that were touched, and that were compressed again untouched. */
  earlyUsed: number
  earlyWasted: number
  /** Payloads dropped because all of the chunk was written. */
  overwritten: number
  /** Payloads moved to the coldest tier. */
  demoted: number
  /** Reads of damaged payloads, each an error. */
  corrupted: number
  /** Time of the codec and all around it, on whichever thread; of compressing here, from every eighth chunk. */
  compressMs: number
  restoreMs: number
  demandMs: number
}

export const noCounters = (): Counters => ({
  compressed: 0,
  filled: 0,
  incompressible: 0,
  poolFull: 0,
  dropped: 0,
  demandRestores: 0,
  earlyRestores: 0,
  earlyUsed: 0,
  earlyWasted: 0,
  overwritten: 0,
  demoted: 0,
  corrupted: 0,
  compressMs: 0,
  restoreMs: 0,
  demandMs: 0
})
