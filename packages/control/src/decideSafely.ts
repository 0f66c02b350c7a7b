/** Asks a policy. One that throws has a defect: that is reported as a decision to do nothing, and whoever asked goes on. */
import type { AnyPolicy, Decision } from "@wmo/policies"

export const decideSafely = (policy: AnyPolicy, input: Parameters<AnyPolicy["decide"]>[0], state: unknown): Decision<unknown> => {
  try {
    return policy.decide(input, state)
  } catch (thrown) {
    return { actions: [], reason: `policy ${policy.name} failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`, state }
  }
}
