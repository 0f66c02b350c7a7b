/** Policies compared on the simulator. */
export { type CompareOptions, comparePolicies, type PolicyComparison, type WorkloadBound } from "./compare.ts"
export { type CompareRow, type PolicySummary, policyTitle } from "./compareRows.ts"
export type { BoundResult, Job, PolicyChoice, PolicyResult } from "./Job.ts"
export { boundCurve, measure, type Measures, sloPromotionsPct, sloPsiPct } from "./measures.ts"
export { runJob, watchBound } from "./runJob.ts"
export { JobFailed, readTrace, scenarioOf } from "./scenario.ts"
export { simulatedGroup, simulatedGroupName } from "./simulatedGroup.ts"
export { comparisonTable, policyTable, comparisonSentence, boundTable } from "./compareTable.ts"
