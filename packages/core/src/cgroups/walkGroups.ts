/**
 * The groups below a group, depth first, parents before their children, listed as far as the reader pulls.
 * Groups that vanish meanwhile are left out without an error. Does not choose among them: that is the caller's.
 */
import { Effect, Result, Stream } from "effect"
import type { KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"

/** Names of `root` and of the groups below it. Fails with `NotFound` only where `root` itself is not there. */
export const walkGroups = (fs: KernFs["Service"], path: (group: string) => string, root: string): Stream.Stream<string, KernFsError> =>
  Stream.unfold([root] as ReadonlyArray<string>, (initial) =>
    Effect.gen(function* () {
      let stack = initial
      while (stack.length > 0) {
        const group = stack[0]!
        const names = yield* Effect.result(fs.directories(path(group)))
        if (Result.isSuccess(names)) {
          const children = [...names.success].toSorted().map((name) => (group === "" ? name : `${group}/${name}`))
          return [group, [...children, ...stack.slice(1)]] as const
        }
        if (group === root || !names.failure.isGone) return yield* names.failure
        stack = stack.slice(1)
      }
      return undefined
    })
  )
