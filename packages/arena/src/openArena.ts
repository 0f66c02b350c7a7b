/** An arena for as long as a scope: with the program's memory and clock, closed at the end whatever happened. */
import { Clock, Effect, type Scope } from "effect"
import { Arena, type ArenaOptions } from "./Arena.ts"
import { ArenaError } from "./ArenaError.ts"
import { OffHeap } from "./memory/OffHeap.ts"
import type { ChunkView } from "./region/ChunkView.ts"
import type { Region } from "./region/Region.ts"

export const openArena: (options?: Omit<ArenaOptions, "memory" | "now">) => Effect.Effect<Arena, ArenaError, OffHeap | Scope.Scope> =
  Effect.fnUntraced(function* (options = {}) {
    const memory = yield* OffHeap
    const clock = yield* Clock.Clock
    const now = isProgramsOwn(clock) ? () => performance.now() : () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const open = Effect.tryPromise({ try: () => Arena.open({ ...options, memory, now }), catch: arenaError })
    return yield* Effect.acquireRelease(open, (arena) => Effect.sync(() => arena.close()))
  })

/** Every touch asks for the time: the program's own clock is the same without a bigint on the way, which would double what asking costs. */
const isProgramsOwn = (clock: Clock.Clock): boolean => Object.getPrototypeOf(clock) === Object.getPrototypeOf(Clock.Clock.defaultValue())

const arenaError = (problem: unknown): ArenaError => {
  if (problem instanceof ArenaError) return problem
  throw problem
}

/** What the arena's functions throw, as the error of an effect: `attempt(() => region.read(0, 100))`. */
export const attempt = <A>(use: () => A): Effect.Effect<A, ArenaError> => Effect.try({ try: use, catch: arenaError })

/** A view until the scope ends. */
export const scopedView = (region: Region, offset: number, length: number): Effect.Effect<ChunkView, ArenaError, Scope.Scope> =>
  Effect.acquireRelease(
    attempt(() => region.view(offset, length)),
    (view) => Effect.sync(() => view.release())
  )
