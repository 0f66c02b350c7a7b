/** What `wmo sim workloads` prints. */
import { formatBytes } from "@wmo/core"
import { table } from "@wmo/report"
import { simScenarios } from "@wmo/sim"
import { Console, Effect } from "effect"
import type { SimWorkloadsFlags } from "../commands/sim.ts"

const pageBytes = 4096

export const simWorkloads = Effect.fn("wmo sim workloads")(function* (flags: SimWorkloadsFlags) {
  const rows = simScenarios.map(({ highBytes, make, maxBytes, name, suite, summary }) => {
    const { anonPages, filePages } = make()
    return {
      name,
      suite,
      summary,
      anon_bytes: anonPages * pageBytes,
      file_bytes: filePages * pageBytes,
      memory_high_bytes: highBytes ?? null,
      memory_max_bytes: maxBytes ?? null
    }
  })
  if (flags.json) return yield* Console.log(JSON.stringify(rows, null, 2))
  yield* Console.log(
    table(
      [
        { head: "workload", align: "left", cell: ({ name }) => name },
        { head: "suite", align: "left", cell: ({ suite }) => suite },
        { head: "anon", cell: ({ anon_bytes }) => formatBytes(anon_bytes) },
        { head: "file", cell: ({ file_bytes }) => formatBytes(file_bytes) },
        { head: "limit", cell: (row) => (row.memory_max_bytes === null ? "–" : formatBytes(row.memory_max_bytes)) },
        { head: "what it does", align: "left", cell: ({ summary }) => summary }
      ],
      rows
    )
  )
})
