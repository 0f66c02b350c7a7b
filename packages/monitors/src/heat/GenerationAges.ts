/**
 * What there is in place of heat where a kernel has no DAMON: how long a cgroup's memory has been idle, from MGLRU's generations, moment by
 * moment. Of the whole group, by age; it says nothing of addresses. The picture is as fine as generations are young: with `ageEveryMs`
 * one is made so often, which walks the page tables of the group's processes.
 */
import { type Cgroups, type KernelError, Mglru, type Milliseconds } from "@wmo/core"
import { Clock, Effect, Stream } from "effect"
import { HeatUnavailable } from "./heatTargets.ts"
import { fromGenerations, type PageAge } from "../PageAge.ts"

export interface AgeFrame {
  readonly atMs: Milliseconds
  readonly group: string
  readonly pageAge: PageAge
}

export interface GenerationAgesOptions {
  readonly group: string
  readonly everyMs: Milliseconds
  /** 0: only the kernel makes generations, when it reclaims. */
  readonly ageEveryMs: Milliseconds
}

/** One frame each `everyMs`; ends when the group is gone. Fails where MGLRU is off or not there. */
export const makeGenerationAges: (
  options: GenerationAgesOptions
) => Effect.Effect<Stream.Stream<AgeFrame, KernelError>, KernelError | HeatUnavailable, Mglru | Cgroups> = Effect.fnUntraced(function* ({
  ageEveryMs,
  everyMs,
  group
}) {
  const mglru = yield* Mglru
  const bits = yield* mglru.enabledBits
  if (bits === undefined || (bits & 1) === 0) {
    return yield* new HeatUnavailable({
      why: "unsupported",
      message:
        bits === undefined
          ? "this kernel has neither DAMON nor MGLRU: there is nothing to make a heatmap from; see `wmo doctor`"
          : "this kernel has no DAMON, and MGLRU is off: switch it on with `echo y > /sys/kernel/mm/lru_gen/enabled`"
    })
  }
  if ((yield* mglru.group(group)) === undefined) {
    return yield* new HeatUnavailable({
      why: "nothing",
      message: `MGLRU lists no cgroup ${group || "/"}: it is not there, or has no memory`
    })
  }
  let agedMs = -Infinity
  const look = Effect.gen(function* () {
    const atMs = yield* Clock.currentTimeMillis
    if (ageEveryMs > 0 && atMs - agedMs >= ageEveryMs) {
      agedMs = atMs
      yield* mglru.age(group)
    }
    const memcg = yield* mglru.group(group)
    return memcg === undefined ? undefined : { atMs, group, pageAge: fromGenerations(memcg) }
  }).pipe(
    Effect.catchIf(
      (error) => error._tag === "KernFsError" && error.isGone,
      () => Effect.succeed(undefined)
    )
  )
  return Stream.concat(Stream.fromEffect(look), Stream.fromEffectRepeat(Effect.andThen(Effect.sleep(`${everyMs} millis`), look))).pipe(
    Stream.takeWhile((frame): frame is AgeFrame => frame !== undefined)
  ) as Stream.Stream<AgeFrame, KernelError>
})
