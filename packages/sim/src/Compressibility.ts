/**
 * How well a workload's pages compress, what a compressed page is charged to its group (its exact length) and what it takes up in the pool.
 * Simplified: a page keeps its size for life (writes do not change it); a pool is the sum of its size classes, without the slack of
 * half-filled zspages.
 * Sources: mm/zsmalloc.c (classes every 16 bytes, large objects take a page), mm/zswap.c (zswap_store charges the length);
 * ASPLOS '19 far memory (31 % incompressible, median ratio 3).
 */
import { type Bytes, pageSize } from "@wmo/core"
import type { Random } from "./Random.ts"

/** The distribution of compressed sizes over a workload's pages. Shares are of all pages, in 0..1. */
export interface Compressibility {
  /** Pages filled with zeros: swapped out without taking any space. */
  readonly zeroShare: number
  /** Pages that the compressor cannot make smaller: zswap refuses them. */
  readonly incompressibleShare: number
  /** Median of uncompressed/compressed size over the other pages. */
  readonly medianRatio: number
  /** Spread of the ratio: standard deviation of its natural logarithm. */
  readonly ratioSigma: number
  /** Measured instead: compressed lengths, all equally likely. The ratio and its spread do not count then. */
  readonly lengths?: ReadonlyArray<Bytes>
}

/** Real file content in anonymous memory: about 2.5:1. */
export const defaultCompressibility: Compressibility = { zeroShare: 0.02, incompressibleShare: 0.05, medianRatio: 2.5, ratioSigma: 0.35 }

/**
 * What the real hotcold fills its memory with, page by page through lz4 (1.9.4): 4,096 pages spread over the Node 24 binary, the means of
 * twenty quantiles of their lengths. 1.70:1 without the 3 % that do not shrink; zswap in the VM had 1.76:1, with the process's heap.
 */
export const programContent: Compressibility = {
  zeroShare: 0.002,
  incompressibleShare: 0.03,
  medianRatio: 1.61,
  ratioSigma: 0.35,
  lengths: [380, 1085, 1429, 1667, 1843, 2012, 2158, 2279, 2376, 2487, 2587, 2690, 2792, 2881, 2970, 3045, 3128, 3225, 3360, 3801]
}

/** The size that marks a page as incompressible. */
export const incompressible: Bytes = pageSize

const classStep = 16
const smallestClass = 32
/** Objects above this size get a page of their own (huge class with zspages of up to four pages). */
const hugeClassSize = 3264

/** Bytes of pool that an object of `length` bytes takes. */
export const sizeClass = (length: Bytes): Bytes => {
  if (length <= 0) return 0
  if (length > hugeClassSize) return pageSize
  return Math.max(smallestClass, Math.ceil(length / classStep) * classStep)
}

/** Draws the compressed length of one page: 0 for a zero page, {@link incompressible} for one that zswap refuses. */
export const drawCompressedSize = (distribution: Compressibility, random: Random): Bytes => {
  const which = random.nextFraction()
  if (which < distribution.zeroShare) return 0
  if (which < distribution.zeroShare + distribution.incompressibleShare) return incompressible
  if (distribution.lengths !== undefined) return distribution.lengths[random.nextBelow(distribution.lengths.length)]!
  // Irwin-Hall with twelve terms: a normal variable without tails beyond six sigma.
  let normal = -6
  for (let i = 0; i < 12; i++) normal += random.nextFraction()
  const ratio = Math.max(1, distribution.medianRatio * Math.exp(distribution.ratioSigma * normal))
  return Math.min(pageSize - 1, Math.round(pageSize / ratio))
}
