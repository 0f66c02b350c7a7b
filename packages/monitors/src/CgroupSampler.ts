/**
 * Samples one cgroup: its memory files on held descriptors, its page ages, and the machine around it, into an `Observation`.
 * Stores raw counters; rates are computed where they are used.
 */
import { type Bytes, Cgroups, type Codec, ioPressure, type KernelError, KernFsError, Machine, Memcg } from "@wmo/core"
import { Clock, Data, Effect, type Scope } from "effect"
import type { MachineUsage, Observation } from "./Observation.ts"
import type { PageAgeMonitor } from "./PageAgeMonitor.ts"

/** The group does not exist (any more). */
export class GroupGone extends Data.TaggedError("GroupGone")<{ readonly group: string }> {
  override get message(): string {
    return `there is no cgroup ${this.group}: \`ls /sys/fs/cgroup\` shows those that exist`
  }
}

/** What is cheap to read and moves when the group does anything that matters: two files. */
export interface Glance {
  readonly currentBytes: Bytes
  /** Stall on memory of some task; undefined where the kernel does not count. */
  readonly stallUs: bigint | undefined
}

export interface CgroupSampler {
  readonly sample: Effect.Effect<Observation, GroupGone | KernelError>
  readonly glance: Effect.Effect<Glance, GroupGone | KernelError>
}

const unlessGone = <A, E, R>(effect: Effect.Effect<A, E, R>, group: string): Effect.Effect<A, GroupGone | E, R> =>
  Effect.catchIf(
    effect,
    (error) => error instanceof KernFsError && error.isGone,
    () => Effect.fail(new GroupGone({ group }))
  )

/**
 * Opens the group's files; they are closed with the scope. Fails with `GroupGone` where the group has no `memory.current`: it does not
 * exist, or its parent has not enabled the memory controller.
 */
export const makeCgroupSampler: (
  group: string,
  pageAges: PageAgeMonitor
) => Effect.Effect<CgroupSampler, GroupGone | KernFsError, Cgroups | Machine | Scope.Scope> = Effect.fnUntraced(
  function* (group, pageAges) {
    const cgroups = yield* Cgroups
    const machine = yield* Machine
    const name = cgroups.normalize(group)
    const optional = <A>(codec: Codec<A>) =>
      cgroups.hold(name, codec).pipe(
        Effect.map((held): Effect.Effect<A | undefined, KernelError> => held.read),
        Effect.catchIf(
          (error) => error.isGone || error.reason._tag === "NotSupported",
          () => Effect.succeed(Effect.succeed(undefined))
        )
      )
    const current = yield* unlessGone(cgroups.hold(name, Memcg.memoryCurrent), name)
    const stat = yield* unlessGone(cgroups.hold(name, Memcg.memoryStat), name)
    const [swapCurrent, zswapCurrent, swapMax, min, low, high, max, events, pressure, io] = yield* Effect.all([
      optional(Memcg.memorySwapCurrent),
      optional(Memcg.memoryZswapCurrent),
      optional(Memcg.memorySwapMax),
      optional(Memcg.memoryMin),
      optional(Memcg.memoryLow),
      optional(Memcg.memoryHigh),
      optional(Memcg.memoryMax),
      optional(Memcg.memoryEvents),
      optional(Memcg.memoryPressure),
      optional(ioPressure)
    ])
    const unlessMissing = <A>(effect: Effect.Effect<A, KernelError>) => Effect.orElseSucceed(effect, () => undefined)

    const machineUsage = Effect.gen(function* () {
      const info = yield* machine.memInfo
      return {
        memTotalBytes: info["MemTotal"] ?? 0,
        memAvailableBytes: info["MemAvailable"] ?? info["MemFree"] ?? 0,
        memFreeBytes: info["MemFree"],
        swapTotalBytes: info["SwapTotal"] ?? 0,
        swapFreeBytes: info["SwapFree"] ?? 0,
        swappiness: yield* unlessMissing(machine.swappiness),
        pswpout: (yield* unlessMissing(machine.vmstat))?.["pswpout"]
      } satisfies MachineUsage
    })

    const sample = Effect.gen(function* () {
      const counted = yield* stat.read
      return {
        group: name,
        atMs: yield* Clock.currentTimeMillis,
        usage: {
          currentBytes: yield* current.read,
          swapCurrentBytes: yield* swapCurrent,
          zswapCurrentBytes: yield* zswapCurrent,
          swapMax: yield* swapMax,
          min: (yield* min) ?? 0,
          low: (yield* low) ?? 0,
          high: (yield* high) ?? "max",
          max: (yield* max) ?? "max"
        },
        stat: counted,
        events: yield* events,
        pressure: yield* pressure,
        ioPressure: yield* io,
        ...(yield* pageAges.readWith === undefined ? pageAges.read : pageAges.readWith(counted)),
        machine: yield* machineUsage
      } satisfies Observation
    })
    const glance = Effect.gen(function* () {
      return { currentBytes: yield* current.read, stallUs: (yield* pressure)?.some?.totalUs } satisfies Glance
    })
    return { sample: unlessGone(sample, name), glance: unlessGone(glance, name) }
  }
)
