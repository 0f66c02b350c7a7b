/** `wmo policy list|show`: the built-in policies, and the settings of each from its schema. */
import { Argument, Command } from "effect/cli"
import { json } from "../flags.ts"
import { lazily } from "../lazily.ts"

const listFlags = { json }
export type PolicyListFlags = Command.Command.Config.Infer<typeof listFlags>

const list = Command.make(
  "list",
  listFlags,
  lazily(async () => (await import("../actions/policy.ts")).policyList)
).pipe(Command.withDescription("List the policies."))

const showFlags = { name: Argument.String("name"), json }
export type PolicyShowFlags = Command.Command.Config.Infer<typeof showFlags>

const show = Command.make(
  "show",
  showFlags,
  lazily(async () => (await import("../actions/policy.ts")).policyShow)
).pipe(Command.withDescription("Show a policy's settings, units and defaults."))

export const policy = Command.make("policy").pipe(
  Command.withDescription("What decides when to reclaim, and how much."),
  Command.withSubcommands([list, show])
)
