/** What `wmo policy list` and `wmo policy show` print. */
import { findPolicy, policies } from "@wmo/policies"
import { table } from "@wmo/report"
import { Console, Effect, Result } from "effect"
import type { PolicyListFlags, PolicyShowFlags } from "../commands/policy.ts"
import { usageError } from "../Exit.ts"

export const policyList = Effect.fn("wmo policy list")(function* (flags: PolicyListFlags) {
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

export const policyShow = Effect.fn("wmo policy show")(function* (flags: PolicyShowFlags) {
  const found = findPolicy(flags.name)
  if (Result.isFailure(found)) return yield* usageError(found.failure.message)
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
