/** What a league's guests need of this machine, looked for before anything is written or booted. What it advises is there in `wmo lab league`. */
import { Effect } from "effect"
import { cachedKernels, isOfSeries } from "../vm/KernelTree.ts"
import { type VmCache, vmCache } from "../vm/VmCache.ts"
import { vmError, type VmError } from "../vm/VmError.ts"
import { requireParts } from "../vm/VmSetup.ts"
import type { LeaguePlan } from "./plan.ts"

/** The kernel that `vmRun` will take, with the zswap that every guest of a league has. */
export const requireKernel = Effect.fnUntraced(function* (
  cache: VmCache,
  { kernelSeries }: Pick<LeaguePlan, "kernelSeries">
): Effect.fn.Return<void, VmError> {
  const kernels = yield* cachedKernels(cache)
  if (kernels.length === 0) return yield* vmError("NotInstalled", "no kernel for the VM yet: run `wmo vm setup --install`")
  const versions = kernels.map(({ version }) => version).join(", ")
  const kernel = kernels.find(({ version }) => kernelSeries === null || isOfSeries(version, kernelSeries))
  if (kernel === undefined)
    return yield* vmError("NotInstalled", `no ${kernelSeries} kernel for the VM, there is ${versions}: see \`wmo vm setup --help\``)
  if (kernel.zswap === false) {
    return yield* vmError(
      "KernelLacks",
      `the kernel ${kernel.version} has no zswap, which the league plays with: choose with --kernel-series of ${versions}`
    )
  }
})

export const requireGuest = (plan: Pick<LeaguePlan, "kernelSeries">): Effect.Effect<void, VmError> =>
  Effect.suspend(() => {
    const cache = vmCache()
    return Effect.andThen(requireParts(cache), requireKernel(cache, plan))
  })
