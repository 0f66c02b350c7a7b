/** `wmo policy list|show`: the built-in policies, and the settings of each from its schema. */
import { findPolicy, policies } from "@wmo/policies"
import { table } from "@wmo/report"
import { Console, Effect, Result } from "effect"
import { Argument, Command } from "effect/cli"
import { ExitCode, Failure } from "../Exit.ts"
import { json } from "../flags.ts"

const list = Command.make(
  "list",
  { json },
  Effect.fn("wmo policy list")(function* (flags) {
    if (flags.json)
      return yield* Console.log(
        JSON.stringify(
          policies.map(({ name, source, summary }) => ({ name, summary, source })),
          null,
          2
        )
      )
    yield* Console.log(
      table(
        [
          { head: "policy", align: "left", cell: ({ name }) => name },
          { head: "what it does", align: "left", cell: ({ summary }) => summary },
          { head: "source", align: "left", cell: ({ source }) => source }
        ],
        policies
      )
    )
  })
).pipe(Command.withDescription("List the policies."))

const show = Command.make(
  "show",
  { name: Argument.String("name"), json },
  Effect.fn("wmo policy show")(function* (flags) {
    const found = findPolicy(flags.name)
    if (Result.isFailure(found)) return yield* new Failure({ message: found.failure.message, exitCode: ExitCode.usage })
    const { name, needs, settings, source, summary } = found.success
    const rows = Object.entries(settings as Record<string, { unit: string; default: string; doc: string }>).map(([key, setting]) => ({
      name: key,
      unit: setting.unit,
      default: setting.default,
      doc: setting.doc
    }))
    if (flags.json) return yield* Console.log(JSON.stringify({ name, summary, source, needs, settings: rows }, null, 2))
    yield* Console.log(`${name}: ${summary}\nsource: ${source}\nneeds: ${needs.join(", ") || "nothing"}\n`)
    if (rows.length === 0) return yield* Console.log("It has no settings.")
    yield* Console.log(
      table(
        [
          { head: "setting", align: "left", cell: (row) => row.name },
          { head: "default", align: "left", cell: (row) => row.default },
          { head: "unit", align: "left", cell: (row) => row.unit },
          { head: "what it does", align: "left", cell: (row) => row.doc }
        ],
        rows
      )
    )
  })
).pipe(Command.withDescription("Show a policy's settings, units and defaults."))

export const policy = Command.make("policy").pipe(
  Command.withDescription("What decides when to reclaim, and how much."),
  Command.withSubcommands([list, show])
)
