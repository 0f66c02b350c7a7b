/** `wmo capture`: copies the kernel files that WMO reads into a directory, for fixtures and bug reports. No process names, no secrets. */
import { capture as captureFiles, Cgroups, findCgroupMount, KernelRoots } from "@wmo/core"
import { Console, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"

export const capture = Command.make(
  "capture",
  {
    cgroups: Flag.String("cgroup").pipe(
      Flag.atLeast(0),
      Flag.withMetavar("CGROUP"),
      Flag.withDescription("also this group's files; can be repeated")
    ),
    out: Argument.String("out").pipe(Argument.withDescription("a new directory for the files and their manifest"))
  },
  Effect.fn("wmo capture")(function* ({ cgroups, out }) {
    const mount = yield* findCgroupMount
    const manifest = yield* captureFiles({ cgroups, out }).pipe(
      Effect.provide(Cgroups.layer),
      Effect.updateService(KernelRoots, (roots) => ({ ...roots, cgroup: mount?.path ?? roots.cgroup }))
    )
    yield* Console.log(`${manifest.files.length} files of kernel ${manifest.release} in ${out}`)
  })
).pipe(Command.withDescription("Copy the kernel files that WMO reads into a directory: a fixture, or material for a bug report."))
