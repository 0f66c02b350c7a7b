/** What a recording must hold for a policy to be replayed on it. */
import type { Observation } from "@wmo/monitors"
import type { AnyPolicy } from "@wmo/policies"

/** What was found in a run's observations. */
export interface ReplayInputs {
  readonly samples: number
  readonly withPageAges: number
  readonly withPressure: number
  readonly withPromotions: number
  /** False: machine amounts (free swap) are unknown, and taken as unlimited. */
  readonly knowsMachine: boolean
}

export const noInputs: ReplayInputs = { samples: 0, withPageAges: 0, withPressure: 0, withPromotions: 0, knowsMachine: false }

export const countInputs = (inputs: ReplayInputs, { machine, pageAge, pressure, promotions }: Observation): ReplayInputs => ({
  samples: inputs.samples + 1,
  withPageAges: inputs.withPageAges + (pageAge === undefined ? 0 : 1),
  withPressure: inputs.withPressure + (pressure?.some === undefined ? 0 : 1),
  withPromotions: inputs.withPromotions + (promotions === undefined ? 0 : 1),
  knowsMachine: inputs.knowsMachine || machine.memTotalBytes > 0
})

/** One phrase per need that the recording does not meet; empty when the policy can be replayed. */
export const missingInputs = (
  { needs }: AnyPolicy,
  { withPageAges, withPressure, withPromotions }: ReplayInputs
): ReadonlyArray<string> => [
  ...(needs.includes("page-age") && withPageAges === 0 ? ["it holds no page ages"] : []),
  ...(needs.includes("pressure") && withPressure === 0 ? ["it holds no pressure"] : []),
  ...(needs.includes("promotions") && withPromotions === 0 ? ["it does not say what came back into use (promotions)"] : [])
]
