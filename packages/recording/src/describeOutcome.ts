/** What came of an action, in one phrase for a person. */
import { formatBytes, formatDuration } from "@wmo/core"
import { describeAction } from "@wmo/policies"
import type { Outcome } from "./Entry.ts"

/** For instance `evict 4 MiB …: 3.9 MiB in 12 ms [partial] (why)`. */
export const describeOutcome = ({ allowed, asked, detail, reclaimedBytes, status, tookMs }: Outcome): string => {
  const effect = reclaimedBytes === undefined ? "" : `: ${formatBytes(reclaimedBytes)} in ${formatDuration(tookMs)}`
  const how = status === "done" ? "" : ` [${status}]`
  return `${describeAction(allowed ?? asked)}${effect}${how}${detail === undefined ? "" : ` (${detail})`}`
}
