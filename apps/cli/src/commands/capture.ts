/** `wmo capture`: copies the kernel files that WMO reads into a directory, for fixtures and bug reports. No process names, no secrets. */
import { Argument, Command, Flag } from "effect/cli"
import { lazily } from "../lazily.ts"

const flags = {
  cgroups: Flag.String("cgroup").pipe(
    Flag.atLeast(0),
    Flag.withMetavar("CGROUP"),
    Flag.withDescription("also this group's files; can be repeated")
  ),
  out: Argument.String("out").pipe(Argument.withDescription("a new directory for the files and their manifest"))
}
export type CaptureFlags = Command.Command.Config.Infer<typeof flags>

export const capture = Command.make(
  "capture",
  flags,
  lazily(async () => (await import("../actions/capture.ts")).capture)
).pipe(Command.withDescription("Copy the kernel files that WMO reads into a directory: a fixture, or material for a bug report."))
