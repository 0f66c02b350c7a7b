/** What the process arena needs of this machine's kernel, for the commands that run one: the live services, the journal, and what ends them. */
import { ProcessArenaError } from "@wmo/arena"
import {
  Cgroups,
  Damon,
  DamonTrace,
  findCgroupMount,
  Journal,
  KernelRoots,
  Machine,
  PageMap,
  Pressure,
  Processes,
  ProcessMemory,
  Zram,
  Zswap
} from "@wmo/core"
import { Effect, Layer } from "effect"
import { ExitCode, Failure, unsupported } from "./Exit.ts"
import { restoreAtEnd } from "./live.ts"
import { stateDirectory } from "./stateDirectory.ts"

/** Everything is put back at the end. */
export const withProcessServices = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const mount = yield* Effect.orElseSucceed(findCgroupMount, () => undefined)
    const services = Layer.mergeAll(
      Damon.layer,
      DamonTrace.layer,
      Machine.layer,
      PageMap.layer,
      Pressure.layer,
      Processes.layer,
      ProcessMemory.layer,
      Zram.layer,
      Zswap.layer
    ).pipe(
      Layer.provideMerge(Cgroups.layer),
      Layer.provideMerge(Journal.layer({ directory: stateDirectory(), command: process.argv.slice(2).join(" ") }))
    )
    return yield* Effect.scoped(effect).pipe(
      Effect.ensuring(restoreAtEnd),
      Effect.provide(services),
      Effect.updateService(KernelRoots, (roots) => (mount === undefined ? roots : { ...roots, cgroup: mount.path }))
    )
  })

/** What the process arena cannot do, as the end of a command. */
export const asFailure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.catchIf(
    effect,
    (error): error is Extract<E, ProcessArenaError> => error instanceof ProcessArenaError,
    (error): Effect.Effect<never, Failure> =>
      Effect.fail(
        (error as ProcessArenaError).why === "unsupported"
          ? unsupported((error as ProcessArenaError).message)
          : new Failure({ message: (error as ProcessArenaError).message, exitCode: ExitCode.failed })
      )
  )
