/** What `wmo capture` does. */
import { capture as captureFiles, Cgroups, findCgroupMount, KernelRoots } from "@wmo/core"
import { Console, Effect } from "effect"
import type { CaptureFlags } from "../commands/capture.ts"

export const capture = Effect.fn("wmo capture")(function* ({ cgroups, out }: CaptureFlags) {
  const mount = yield* findCgroupMount
  const manifest = yield* captureFiles({ cgroups, out }).pipe(
    Effect.provide(Cgroups.layer),
    Effect.updateService(KernelRoots, (roots) => ({ ...roots, cgroup: mount?.path ?? roots.cgroup }))
  )
  yield* Console.log(`${manifest.files.length} files of kernel ${manifest.release} in ${out}`)
})
