/** Does nothing: the baseline that every other policy is measured against. */
import { definePolicy } from "./Policy.ts"

export const none = definePolicy({
  name: "none",
  summary: "Watches and does nothing: the baseline.",
  source: "—",
  settings: {},
  needs: [],
  initialState: undefined,
  decide: () => ({ actions: [], reason: "the baseline never acts", state: undefined, dueMs: Infinity })
})
