/**
 * What stands behind a fake group's files. The seam between the file system of the fake kernel and whatever animates it: a few numbers
 * in unit tests (`makeSimpleMemcg`), a page-level machine in the simulator.
 */
import type { Generation, LruGenNode } from "../LruGen.ts"
import type { Counters, MemoryStat } from "../MemoryStat.ts"
import type { PressureStall } from "../PressureStall.ts"
import type { Limit, ReclaimRequest } from "../Scalars.ts"
import type { Bytes, Pages } from "../Units.ts"

/** The limits that a group's files set. Mutable: the fake's write handlers change them, the model obeys them. */
export interface MemcgLimits {
  min: Limit
  low: Limit
  high: Limit
  max: Limit
  swapMax: Limit
  swapHigh: Limit
  zswapMax: Limit
}

export interface MemcgModel {
  /** Bytes charged now, the compressed pool included. */
  readonly current: () => Bytes
  readonly peak: () => Bytes
  readonly swapCurrent: () => Bytes
  readonly zswapCurrent: () => Bytes
  readonly stat: () => MemoryStat
  readonly events: () => Counters
  readonly pressure: () => PressureStall
  /** Reclaims now; returns the bytes reclaimed, which may be less or more than asked. */
  readonly reclaim: (request: ReclaimRequest) => Bytes
  /** A limit has been lowered or raised. */
  readonly limitsChanged: () => void
  /** MGLRU's generations by node, oldest first; undefined where the fake kernel has no MGLRU. */
  readonly generations: () => ReadonlyArray<LruGenNode>
  readonly age: (node: number) => void
  readonly evict: (node: number, seq: number, pages: Pages | undefined, swappiness: number | "max" | undefined) => void
}

export const noLimits = (): MemcgLimits => ({ min: 0, low: 0, high: "max", max: "max", swapMax: "max", swapHigh: "max", zswapMax: "max" })

/** At most four generations, as in the kernel: the oldest moves into the next. */
const fold = (generations: ReadonlyArray<Generation>): ReadonlyArray<Generation> => {
  const [oldest, next, ...younger] = generations
  if (generations.length <= 4 || oldest === undefined || next === undefined) return generations
  return [{ ...next, anonPages: next.anonPages + oldest.anonPages, filePages: next.filePages + oldest.filePages }, ...younger]
}

/** A group of a few numbers that tests set directly: `reclaimable` bytes can be reclaimed, the rest cannot. */
export interface SimpleMemcg extends MemcgModel {
  readonly state: {
    current: Bytes
    peak: Bytes
    reclaimable: Bytes
    swapCurrent: Bytes
    zswapCurrent: Bytes
    stat: MemoryStat
    pressureTotalUs: bigint
    events: Counters
    nodes: Array<LruGenNode>
    reclaims: Array<ReclaimRequest>
  }
}

/** See {@link SimpleMemcg}. Starts with 100 MiB charged, all of it reclaimable anon. */
export const makeSimpleMemcg = (initial: Partial<SimpleMemcg["state"]> = {}, limits: MemcgLimits = noLimits()): SimpleMemcg => {
  const mib = 2 ** 20
  const state: SimpleMemcg["state"] = {
    current: 100 * mib,
    peak: 100 * mib,
    reclaimable: initial.current ?? 100 * mib,
    swapCurrent: 0,
    zswapCurrent: 0,
    stat: {},
    pressureTotalUs: 0n,
    events: { low: 0n, high: 0n, max: 0n, oom: 0n, oom_kill: 0n, oom_group_kill: 0n },
    nodes: [],
    reclaims: [],
    ...initial
  }
  const take = (wanted: Bytes): Bytes => {
    const taken = Math.max(0, Math.min(wanted, state.reclaimable))
    state.current -= taken
    state.reclaimable -= taken
    state.swapCurrent += taken
    return taken
  }
  const line = () => ({ avg10: 0, avg60: 0, avg300: 0, totalUs: state.pressureTotalUs })
  return {
    state,
    current: () => state.current,
    peak: () => state.peak,
    swapCurrent: () => state.swapCurrent,
    zswapCurrent: () => state.zswapCurrent,
    stat: () => ({
      anon: state.current,
      file: 0,
      workingset_refault_anon: 0n,
      workingset_refault_file: 0n,
      pgscan_proactive: 0n,
      pgsteal_proactive: 0n,
      pgfault: 0n,
      pgmajfault: 0n,
      ...state.stat
    }),
    events: () => state.events,
    pressure: () => ({ some: line(), full: { avg10: 0, avg60: 0, avg300: 0, totalUs: 0n } }),
    reclaim: (request) => {
      state.reclaims.push(request)
      return take(request.bytes)
    },
    limitsChanged: () => {
      if (limits.high !== "max" && state.current > limits.high) take(state.current - limits.high)
    },
    generations: () => state.nodes,
    age: () => {
      state.nodes = state.nodes.map(({ generations, node }) => ({
        node,
        generations: fold([...generations, { seq: (generations.at(-1)?.seq ?? 0) + 1, ageMs: 0, anonPages: 0, filePages: 0 }])
      }))
    },
    evict: (node, seq, pages) => {
      state.nodes = state.nodes.map((entry) =>
        entry.node === node
          ? { node, generations: entry.generations.map((g) => (g.seq <= seq ? { ...g, anonPages: 0, filePages: 0 } : g)) }
          : entry
      )
      take((pages ?? 0) * 4096)
    }
  }
}
