/**
 * What became of a node's old generations between two looks: pages that came back into use and pages that were evicted, by kind. Pure.
 * The kernel counts neither by generation; both are inferred from how the generations' sizes changed. Memory that was freed while other memory
 * was allocated looks as if it had come back.
 */
import type { Generation, LruGenNode, Milliseconds, Pages } from "@wmo/core"

interface PagesByKind {
  readonly anon: Pages
  readonly file: Pages
}

/** Pages of one age: a lower bound. */
interface AgedPages extends PagesByKind {
  readonly ageMs: Milliseconds
}

/** Oldest first; those of size zero are left out. */
export interface GenerationFlows {
  /**
   * By how long they had been idle, at least, when accessed bits were looked at last before they came back: at the birth of the youngest
   * generation. A policy that evicts at that age would have taken them; at a greater one perhaps not.
   */
  readonly promoted: ReadonlyArray<AgedPages>
  /** By the age of their generation's younger edge now: the kernel looks at the accessed bit of what it evicts. */
  readonly evicted: ReadonlyArray<AgedPages>
}

type Kind = "anonPages" | "filePages"

const sumUpTo = (generations: ReadonlyArray<Generation>, seq: number, kind: Kind): Pages =>
  generations.reduce((sum, generation) => (generation.seq <= seq ? sum + generation[kind] : sum), 0)

/** MAX_NR_GENS: to make room for a new generation beyond, aging merges the oldest into the next. */
const generationsAtMost = 4

/** What the old generations of `before` have lost, class by class, oldest first. Generations that may have been merged since are one class. */
const losses = (before: LruGenNode, now: LruGenNode, kind: Kind): Array<{ readonly ageMs: Milliseconds; pages: Pages }> => {
  const walks = (now.generations.at(-1)?.seq ?? 0) - before.generations.at(-1)!.seq
  const merged = Math.min(before.generations.length + walks - generationsAtMost, before.generations.length - 2)
  const classes: Array<{ readonly ageMs: Milliseconds; pages: Pages }> = []
  let lostBefore = 0
  before.generations.slice(0, -1).forEach(({ seq }, i) => {
    const next = before.generations[i + 1]!
    // What was in it may be in the next one now: they are told apart no more.
    if (i < merged) return
    const lost = Math.max(0, sumUpTo(before.generations, seq, kind) - sumUpTo(now.generations, seq, kind))
    classes.push({ ageMs: next.ageMs, pages: Math.max(0, lost - lostBefore) })
    lostBefore = Math.max(lostBefore, lost)
  })
  return classes
}

/** How many pages the generations have gained that are younger than all old ones of `before`: promotions are no more than that. */
const gained = (before: LruGenNode, now: LruGenNode, kind: Kind): Pages => {
  const youngest = before.generations.at(-1)!
  const old = before.generations.at(-2)?.seq ?? youngest.seq - 1
  return sumUpTo(now.generations, Infinity, kind) - sumUpTo(now.generations, old, kind) - youngest[kind]
}

/** `evicted`: pages that the kernel reclaimed in between, of both kinds together. They left the oldest generations first. */
export const generationFlows = (before: LruGenNode, now: LruGenNode, evicted: Pages): GenerationFlows => {
  if (before.generations.length < 2) return { promoted: [], evicted: [] }
  const lost = { anon: losses(before, now, "anonPages"), file: losses(before, now, "filePages") }
  const flows = { promoted: [] as Array<AgedPages>, evicted: [] as Array<AgedPages> }
  let left = Math.max(0, evicted)
  lost.anon.forEach((anon, i) => {
    const file = lost.file[i]!
    const both = anon.pages + file.pages
    const gone = Math.min(left, both)
    if (gone === 0) return
    left -= gone
    const ofAnon = (gone * anon.pages) / both
    flows.evicted.push({ ageMs: anon.ageMs, anon: ofAnon, file: gone - ofAnon })
    anon.pages -= ofAnon
    file.pages -= gone - ofAnon
  })
  const share = (kind: "anon" | "file", key: Kind) => {
    const all = lost[kind].reduce((sum, { pages }) => sum + pages, 0)
    return all === 0 ? 0 : Math.max(0, Math.min(all, gained(before, now, key))) / all
  }
  const [ofAnon, ofFile] = [share("anon", "anonPages"), share("file", "filePages")]
  lost.anon.forEach(({ ageMs, pages }, i) => {
    const flow = { ageMs: ageMs - before.generations.at(-1)!.ageMs, anon: pages * ofAnon, file: lost.file[i]!.pages * ofFile }
    if (flow.anon + flow.file > 0) flows.promoted.push(flow)
  })
  return flows
}
