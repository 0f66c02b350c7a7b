/**
 * How well a workload's pages compress, and what a compressed page takes up in the pool.
 * Simplified: a page keeps its size for life (writes do not change it); a pool is the sum of its size classes, without the slack of
 * half-filled zspages; the charge to the group is the class size (the kernel charges the exact length, up to 15 bytes less).
 * Sources: mm/zsmalloc.c (classes every 16 bytes, large objects take a page); ASPLOS '19 far memory (31 % incompressible, median ratio 3).
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
}

/** Real file content in anonymous memory under lz4, as in the VM's experiments: about 2.5:1. */
export const defaultCompressibility: Compressibility = { zeroShare: 0.02, incompressibleShare: 0.05, medianRatio: 2.5, ratioSigma: 0.35 }

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

/** Draws the pool size of one page: 0 for a zero page, {@link incompressible} for one that zswap refuses. */
export const drawCompressedSize = (distribution: Compressibility, random: Random): Bytes => {
  const which = random.nextFraction()
  if (which < distribution.zeroShare) return 0
  if (which < distribution.zeroShare + distribution.incompressibleShare) return incompressible
  // Irwin-Hall with twelve terms: a normal variable without tails beyond six sigma.
  let normal = -6
  for (let i = 0; i < 12; i++) normal += random.nextFraction()
  const ratio = Math.max(1, distribution.medianRatio * Math.exp(distribution.ratioSigma * normal))
  return sizeClass(Math.round(pageSize / ratio))
}
