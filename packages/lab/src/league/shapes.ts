/** The shapes of the files that a league finds in its directory: who resumes one may have another's file there, or half of one. */
import { Option, Schema } from "effect"
import type { LeaguePlan, SlotResult } from "./plan.ts"

const planShape = Schema.Struct({
  version: Schema.Literal(1),
  entries: Schema.Array(
    Schema.Struct({ label: Schema.String, policy: Schema.String, settings: Schema.Record(Schema.String, Schema.String) })
  ),
  workloads: Schema.Array(Schema.Struct({ name: Schema.String, args: Schema.Array(Schema.String) })),
  repeats: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
  durationMs: Schema.Finite,
  settleMs: Schema.Finite,
  slotsPerBoot: Schema.Int,
  memory: Schema.Finite,
  cpus: Schema.Int,
  icount: Schema.NullOr(Schema.Int),
  kernelSeries: Schema.NullOr(Schema.String)
})

const resultShape = Schema.Struct({
  id: Schema.String,
  exit_code: Schema.Finite,
  trouble: Schema.NullOr(Schema.String),
  samples: Schema.Array(
    Schema.Struct({
      at_ms: Schema.Finite,
      available_bytes: Schema.Finite,
      zram_bytes: Schema.Finite,
      zswap_bytes: Schema.Finite,
      wmo_cpu_ms: Schema.Finite,
      kdamond_cpu_ms: Schema.Finite
    })
  )
})

export const decodePlan: (json: unknown) => Option.Option<LeaguePlan> = Schema.decodeUnknownOption(planShape)
export const decodeSlotResult: (json: unknown) => Option.Option<SlotResult> = Schema.decodeUnknownOption(resultShape)
