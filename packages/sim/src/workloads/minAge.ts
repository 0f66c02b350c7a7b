/**
 * The two scenarios behind the question "which min_age?" (DAMON's mailing list, June 2026, "dama"; spec/users.md), as the text has them.
 * min-age-1: a region is accessed wholly for 30 s, then a tenth of it for 30 s, and so on: the best fixed age is just over 30 s.
 * min-age-2: of four regions 95 % of each is accessed for 30 s in turn; each comes back after 90 s: the best fixed age is just under that.
 * Simplified: an access is a sweep once a second; region sizes are not in the text.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { PageRange, Step, TaskContext, Workload } from "../Workload.ts"
import { layout, mib, partOf, sweep, until } from "./layout.ts"

export interface MinAgeOptions {
  /** Of the region, or of each of the four. Default 192 MiB and 48 MiB. */
  readonly regionBytes?: Bytes
  /** Default 30 s. */
  readonly turnMs?: Milliseconds
}

function* accessFor(context: TaskContext, range: PageRange, endMs: Milliseconds): Generator<Step, void> {
  while (context.nowMs() < endMs) {
    const nextMs = Math.min(endMs, context.nowMs() + 1000)
    yield sweep(range, { thinkUs: 10, isWrite: true, touchesPerOperation: 16 })
    yield* until(context, nextMs)
  }
}

export const minAge1 = (options: MinAgeOptions = {}): Workload => {
  const turnMs = options.turnMs ?? 30_000
  const { anonPages, at, filePages } = layout({ region: options.regionBytes ?? 192 * mib })
  return {
    name: "min-age-1",
    anonPages,
    filePages,
    tasks: [
      function* (context): Generator<Step, void> {
        for (let endMs = context.nowMs(), turn = 0; ; turn++) {
          endMs += turnMs
          yield* accessFor(context, turn % 2 === 0 ? at.region : partOf(at.region, 0, 0.1), endMs)
        }
      }
    ]
  }
}

export const minAge2 = (options: MinAgeOptions = {}): Workload => {
  const turnMs = options.turnMs ?? 30_000
  const bytes = options.regionBytes ?? 48 * mib
  const { anonPages, at, filePages } = layout({ a: bytes, b: bytes, c: bytes, d: bytes })
  const regions = [at.a, at.b, at.c, at.d]
  return {
    name: "min-age-2",
    anonPages,
    filePages,
    tasks: [
      function* (context): Generator<Step, void> {
        for (let endMs = context.nowMs(), turn = 0; ; turn++) {
          endMs += turnMs
          yield* accessFor(context, partOf(regions[turn % 4]!, 0, 0.95), endMs)
        }
      }
    ]
  }
}
