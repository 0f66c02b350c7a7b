/**
 * Who plays when: sets of at most two entries around one run without a policy, so that each has its neighbour within a slot, since emulated
 * time drifts; the order is rotated from repeat to repeat, so that no entry always comes first. Several sets make a boot. Pure.
 */
import { baseline, type LeagueEntry } from "./entries.ts"
import type { LeagueWorkload } from "./workloads.ts"

interface Slot {
  /** Unique in the league, and a file name. */
  readonly id: string
  readonly entry: LeagueEntry
}

/** What counts as a whole or not at all: its slots run one after another in one guest. */
export interface PairedSet {
  readonly id: string
  readonly workload: LeagueWorkload
  /** From 1 on. */
  readonly repeat: number
  readonly slots: ReadonlyArray<Slot>
}

const rotated = <A>(list: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const at = list.length === 0 ? 0 : by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

const fileName = (text: string): string => text.replaceAll(/[^A-Za-z0-9._-]+/g, "_")

/** All sets, repeat by repeat, so that what is cut short has all workloads and entries as often as possible. */
export const makeSchedule = (
  workloads: ReadonlyArray<LeagueWorkload>,
  entries: ReadonlyArray<LeagueEntry>,
  repeats: number
): ReadonlyArray<PairedSet> =>
  Array.from({ length: repeats }, (_, index) => index).flatMap((index) =>
    workloads.flatMap((workload) => {
      const order = rotated(entries, index)
      const pairs = Array.from({ length: Math.ceil(order.length / 2) }, (_, i) => order.slice(2 * i, 2 * i + 2))
      return pairs.map(([left, right], number): PairedSet => {
        const id = fileName(`${workload.name}-${index + 1}-${number + 1}`)
        const slot = (entry: LeagueEntry): Slot => ({ id: fileName(`${id}-${entry.label}`), entry })
        // A lone entry comes before or after its neighbour by turns.
        const lone = index % 2 === 0 ? [left!, baseline] : [baseline, left!]
        const inOrder = right === undefined ? lone : [left!, baseline, right]
        return { id, workload, repeat: index + 1, slots: inOrder.map(slot) }
      })
    })
  )

/** Sets that run in one guest: whole ones, of at most `slotsPerBoot` slots together, of one workload each (its files are cached then). */
export const makeBoots = (sets: ReadonlyArray<PairedSet>, slotsPerBoot: number): ReadonlyArray<ReadonlyArray<PairedSet>> => {
  const boots: Array<Array<PairedSet>> = []
  let slots = 0
  for (const set of sets) {
    const last = boots.at(-1)
    if (last !== undefined && last[0]!.workload.name === set.workload.name && slots + set.slots.length <= slotsPerBoot) {
      last.push(set)
      slots += set.slots.length
    } else {
      boots.push([set])
      slots = set.slots.length
    }
  }
  return boots
}
