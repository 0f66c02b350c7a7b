/** `wmo doctor`: what this machine offers for memory work, what WMO can do with it, and how to enable what is missing. Reads only. */
import { Command } from "effect/cli"
import { json } from "../flags.ts"
import { lazily } from "../lazily.ts"

const flags = { json }
export type DoctorFlags = Command.Command.Config.Infer<typeof flags>

export const doctor = Command.make(
  "doctor",
  flags,
  lazily(async () => (await import("../actions/doctor.ts")).doctor)
).pipe(Command.withDescription("Show what this machine offers, what WMO can do with it, and how to enable the rest."))
