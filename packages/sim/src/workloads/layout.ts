/**
 * Names for the parts of a workload's address space, and the few steps that all programs are made of. Pages are handed out in order, anon
 * first, as the simulator numbers them.
 */
import { type Bytes, type Milliseconds, pageSize, type Pages } from "@wmo/core"
import type { Random } from "../Random.ts"
import type { PageRange, Sleep, TaskContext, Touch, TouchList } from "../Workload.ts"

export const mib: Bytes = 2 ** 20

/** Whole pages; at least one for anything above zero. */
export const pagesOf = (bytes: Bytes): Pages => (bytes > 0 ? Math.max(1, Math.floor(bytes / pageSize)) : 0)

export interface Layout<Name extends string> {
  readonly anonPages: Pages
  readonly filePages: Pages
  readonly at: Readonly<Record<Name, PageRange>>
}

/** Lays the named parts out one after the other; sizes in bytes. */
export const layout = <Anon extends string, File extends string = never>(
  anon: Readonly<Record<Anon, Bytes>>,
  file: Readonly<Record<File, Bytes>> = {} as Readonly<Record<File, Bytes>>
): Layout<Anon | File> => {
  const at: Record<string, PageRange> = {}
  let next = 0
  const add = (parts: Readonly<Record<string, Bytes>>): Pages => {
    const start = next
    for (const [name, bytes] of Object.entries(parts)) {
      at[name] = { first: next, pages: pagesOf(bytes) }
      next += at[name].pages
    }
    return next - start
  }
  const anonPages = add(anon)
  const filePages = add(file)
  return { anonPages, filePages, at: at as Record<Anon | File, PageRange> }
}

/** A part of a range, by shares of its length. */
export const partOf = ({ first, pages }: PageRange, from: number, to: number): PageRange => {
  const start = Math.floor(pages * from)
  return { first: first + start, pages: Math.max(1, Math.floor(pages * to) - start) }
}

export interface TouchOptions {
  /** Think time per page. Default 20 µs: a touch stands for all that is done with the page while it is at hand. */
  readonly thinkUs?: number
  readonly isWrite?: boolean
  readonly touchesPerOperation?: number
}

/** Every page of the range once, in order. */
export const sweep = (range: PageRange, { isWrite = false, thinkUs = 20, touchesPerOperation = 0 }: TouchOptions = {}): Touch => ({
  _tag: "Touch",
  ...range,
  count: range.pages,
  order: "sequential",
  thinkUs,
  isWrite,
  touchesPerOperation
})

/** These pages, in this order. */
export const touchPages = (
  list: ArrayLike<number>,
  { isWrite = false, thinkUs = 20, touchesPerOperation = 0 }: TouchOptions = {}
): TouchList => ({ _tag: "TouchList", list, thinkUs, isWrite, touchesPerOperation })

/** Sleeps up to a moment of the task's local time; nothing if it has passed. */
export function* until({ nowMs }: TaskContext, atMs: Milliseconds): Generator<Sleep, void> {
  const us = (atMs - nowMs()) * 1000
  if (us > 0) yield { _tag: "Sleep", us }
}

/** Uniform in [mean·(1 − spread), mean·(1 + spread)]. */
export const around = (random: Random, mean: number, spread: number): number => mean * (1 + spread * (2 * random.nextFraction() - 1))

/** A permutation of the numbers below `count`: where the n-th most popular thing lies. */
export const shuffled = (random: Random, count: number): Uint32Array => {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = random.nextBelow(i + 1)
    const other = order[j]!
    order[j] = order[i]!
    order[i] = other
  }
  return order
}
