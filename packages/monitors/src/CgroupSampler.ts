/**
 * Samples one cgroup: its memory files on held descriptors, its page ages, and the machine around it, into an `Observation`.
 * Stores raw counters; rates are computed where they are used.
 */
import { type Bytes, Cgroups, type Codec, type Held, ioPressure, type KernelError, KernFsError, Machine, Memcg } from "@wmo/core"
import { Clock, Data, Effect, Result, type Scope } from "effect"
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
  /** Now, outside Effect. Throws where a file cannot be read: a look tells why. */
  readonly glance: () => Glance
}

const unlessGone = <A, E, R>(effect: Effect.Effect<A, E, R>, group: string): Effect.Effect<A, GroupGone | E, R> =>
  Effect.catchIf(
    effect,
    (error) => error instanceof KernFsError && error.isGone,
    () => Effect.fail(new GroupGone({ group }))
  )

/** A read that failed, on its way out of plain code. */
class ReadFailed extends Error {
  readonly failure: KernelError
  constructor(failure: KernelError) {
    super()
    this.failure = failure
  }
}

/** The value now; throws `ReadFailed`. Undefined where the kernel has no such file. */
const now = <A, H extends Held<A> | undefined>(held: H & (Held<A> | undefined)): A | (undefined extends H ? undefined : never) => {
  if (held === undefined) return undefined as A
  const result = held.readResult()
  if (Result.isFailure(result)) throw new ReadFailed(result.failure)
  return result.success
}

/** Runs reads that are done one after the other, outside Effect: a dozen of them a group and tick. */
const reading = <A>(run: () => A): Effect.Effect<A, KernelError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (thrown) {
      if (thrown instanceof ReadFailed) return Effect.fail(thrown.failure)
      throw thrown
    }
  })

const unlessMissing = <A>(effect: Effect.Effect<A, KernelError>) => Effect.orElseSucceed(effect, () => undefined)

/** Of the function there is one, not one a group: generator functions are large. */
const machineUsage = Effect.fnUntraced(function* (machine: Machine["Service"]) {
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
    const optional = <A>(codec: Codec<A>): Effect.Effect<Held<A> | undefined, KernFsError, Scope.Scope> =>
      Effect.catchIf(
        cgroups.hold(name, codec),
        (error) => error.isGone || error.reason._tag === "NotSupported",
        () => Effect.succeed(undefined)
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
    const readGlance = (): Glance => ({ currentBytes: now(current), stallUs: now(pressure)?.some?.totalUs })
    const readGroup = () => ({
      usage: {
        currentBytes: now(current),
        swapCurrentBytes: now(swapCurrent),
        zswapCurrentBytes: now(zswapCurrent),
        swapMax: now(swapMax),
        min: now(min) ?? 0,
        low: now(low) ?? 0,
        high: now(high) ?? "max",
        max: now(max) ?? "max"
      },
      stat: now(stat),
      events: now(events),
      pressure: now(pressure),
      ioPressure: now(io)
    })

    const sample = Effect.gen(function* () {
      const atMs = yield* Clock.currentTimeMillis
      const group = yield* reading(readGroup)
      const { pageAge, promotions } = yield* pageAges.readWith === undefined ? pageAges.read : pageAges.readWith(group.stat)
      return { group: name, atMs, ...group, pageAge, promotions, machine: yield* machineUsage(machine) } satisfies Observation
    })
    return { sample: unlessGone(sample, name), glance: readGlance }
  }
)
