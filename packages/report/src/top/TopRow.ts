/** A row of `wmo top`: a group's amounts now and its rates since the frame before. Pure; undefined is unknown, and is printed as –. */
import { coldBytes } from "@wmo/monitors"
import type { TopAges, TopDecision, TopFrame, TopGroup } from "./TopFrame.ts"

export interface TopRow extends TopGroup {
  /** How much smaller its pages are in zswap than they were: 3 for 3:1. */
  readonly zswapRatio: number | undefined
  /** Share (0..1) of the pages whose age is known, its descendants' included, that have been idle for at least the cold age. */
  readonly coldShare: number | undefined
  readonly ageSource: string | undefined
  /** Pages a second. */
  readonly refaultRate: number | undefined
  /** Pages a second. */
  readonly promotionRate: number | undefined
  /** Percent a minute of what the group has in memory: the unit in which far-memory objectives are given. */
  readonly promotionPctPerMin: number | undefined
  /** Percent of the time in which some task waited for memory. */
  readonly psiSomePct: number | undefined
  readonly decision: TopDecision | undefined
}

const pageSize = 4096

interface Idle {
  readonly cold: number
  readonly known: number
}

const idleOf = ({ bins }: TopAges, coldMs: number): Idle => {
  const { anonBytes, fileBytes } = coldBytes({ source: "mglru", bins }, coldMs)
  return { cold: anonBytes + fileBytes, known: bins.reduce((total, bin) => total + bin.anonBytes + bin.fileBytes, 0) }
}

/** Growth a second; unknown where a counter went back: the group was made anew. */
const rate = (later: number | undefined, earlier: number | undefined, seconds: number): number | undefined =>
  later === undefined || earlier === undefined || later < earlier || !(seconds > 0) ? undefined : (later - earlier) / seconds

/** The rows of a frame, in its order. `before`: an earlier frame, for rates. `coldMs`: idle for so long is cold. */
export const topRows = (before: TopFrame | undefined, frame: TopFrame, coldMs: number): ReadonlyArray<TopRow> => {
  const earlier = new Map(before?.groups.map((group) => [group.group, group]))
  const seconds = before === undefined ? 0 : (frame.atMs - before.atMs) / 1000
  return frame.groups.map((now): TopRow => {
    const was = earlier.get(now.group)
    const ages = frame.ages.get(now.group)
    const idle = ages === undefined ? undefined : idleOf(ages, coldMs)
    const promotionRate = rate(now.promotions, was?.promotions, seconds)
    const psi = rate(now.psiSomeUs, was?.psiSomeUs, seconds)
    return {
      ...now,
      zswapRatio:
        now.zswapBytes !== undefined && now.zswapBytes > 0 && now.zswappedBytes !== undefined
          ? now.zswappedBytes / now.zswapBytes
          : undefined,
      coldShare: idle === undefined || idle.known === 0 ? undefined : idle.cold / idle.known,
      ageSource: ages?.source,
      refaultRate: rate(now.refaults, was?.refaults, seconds),
      promotionRate,
      promotionPctPerMin:
        promotionRate === undefined || now.currentBytes === undefined || now.currentBytes === 0
          ? undefined
          : ((promotionRate * 60 * pageSize) / now.currentBytes) * 100,
      psiSomePct: psi === undefined ? undefined : Math.min(100, psi / 10_000),
      decision: frame.decisions.get(now.group)
    }
  })
}
