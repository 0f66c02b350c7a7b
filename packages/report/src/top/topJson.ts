/** Rows of `wmo top --once --json`: every key with its unit, null where this kernel does not say. Pure. */
import type { TopRow } from "./TopRow.ts"

const orNull = <A>(value: A | undefined): A | null => value ?? null

export const topJson = (row: TopRow) => ({
  group: row.group,
  memory_current_bytes: orNull(row.currentBytes),
  anon_bytes: orNull(row.anonBytes),
  file_bytes: orNull(row.fileBytes),
  swap_bytes: orNull(row.swapBytes),
  zswap_bytes: orNull(row.zswapBytes),
  zswapped_bytes: orNull(row.zswappedBytes),
  zswap_ratio: orNull(row.zswapRatio),
  cold_share: orNull(row.coldShare),
  age_source: orNull(row.ageSource),
  refaults_per_second: orNull(row.refaultRate),
  promotions_per_second: orNull(row.promotionRate),
  promotions_pct_per_minute: orNull(row.promotionPctPerMin),
  psi_some_pct: orNull(row.psiSomePct),
  policy: orNull(row.decision?.policy),
  policy_pid: orNull(row.decision?.pid),
  reason: orNull(row.decision?.reason)
})
