/**
 * MGLRU's table, read once for all groups that are looked at within a moment: the kernel prints all groups whatever is asked, and a thousand groups would
 * read a thousand tables a tick. Only the whole table is shared; what acts (aging, evicting) looks for itself.
 */
import { type LruGenMemcg, Mglru, type Milliseconds } from "@wmo/core"
import { Clock, Effect, Layer } from "effect"

/** Ages of a table that was read so long ago are off by as much: little beside a tick. */
const sharedForMs: Milliseconds = 50

export const sharedGenerations: Layer.Layer<Mglru, never, Mglru> = Layer.effect(
  Mglru,
  Effect.map(Mglru, (mglru) => {
    let last: { readonly atMs: Milliseconds; readonly table: ReadonlyArray<LruGenMemcg> } | undefined
    return Mglru.of({
      ...mglru,
      table: Effect.gen(function* () {
        const atMs = yield* Clock.currentTimeMillis
        if (last !== undefined && atMs >= last.atMs && atMs - last.atMs < sharedForMs) return last.table
        const table = yield* mglru.table
        last = { atMs, table }
        return table
      })
    })
  })
)
