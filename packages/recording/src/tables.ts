/** The rows beside observations as entries: histograms, heat, decisions, actions. Bins are JSON: `[lower, upper or null, …]`. */
import type { ColdAgeEntry, HeatEntry, PageAgeEntry, PromotionEntry, Subject, WorkingSetEntry } from "./Entry.ts"
import { decodeRegions } from "./heatBlob.ts"

export interface DecisionRow {
  readonly atMs: number
  readonly subject: Subject
  readonly reason: string
}

export interface ActionRow {
  readonly atMs: number
  readonly subject: Subject
  readonly asked: string
  readonly allowed: string | undefined
  readonly status: string
  readonly reclaimedBytes: number | undefined
  readonly tookMs: number
  readonly detail: string | undefined
}

/** An entry with its time. */
export type At<A> = A & { readonly atMs: number }

/** What a run holds beside observations, by name: tables of histograms and decisions, oldest first. */
export interface Tables {
  readonly pageAges: At<PageAgeEntry>
  readonly coldAges: At<ColdAgeEntry>
  readonly promotions: At<PromotionEntry>
  readonly workingSets: At<WorkingSetEntry>
  readonly heat: At<HeatEntry>
  readonly decisions: DecisionRow
  readonly actions: ActionRow
}

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, any>>

const upper = (value: number | null): number => value ?? Infinity

export const tables: {
  readonly [K in keyof Tables]: { readonly table: string; readonly make: (row: Row, subject: Subject) => Tables[K] }
} = {
  pageAges: {
    table: "page_age",
    make: (row, subject) => ({
      atMs: row["at_ms"],
      subject,
      pageAge: {
        source: row["source"],
        bins: JSON.parse(row["bins"]).map(([lowerMs, upperMs, anonBytes, fileBytes]: [number, number | null, number, number]) => ({
          lowerMs,
          upperMs: upper(upperMs),
          anonBytes,
          fileBytes
        }))
      }
    })
  },
  coldAges: {
    table: "cold_age",
    make: (row, subject) => ({
      atMs: row["at_ms"],
      subject,
      source: row["source"],
      isEstimate: row["is_estimate"] === 1,
      bins: JSON.parse(row["bins"]).map(([thresholdMs, bytes]: [number, number]) => ({ thresholdMs, bytes }))
    })
  },
  promotions: {
    table: "promotion",
    make: (row, subject) => ({
      atMs: row["at_ms"],
      subject,
      source: row["source"],
      isEstimate: row["is_estimate"] === 1,
      windowMs: row["window_ms"],
      bins: JSON.parse(row["bins"]).map(([lowerMs, upperMs, pages]: [number, number | null, number]) => ({
        lowerMs,
        upperMs: upper(upperMs),
        pages
      }))
    })
  },
  workingSets: {
    table: "working_set",
    make: (row, subject) => ({
      atMs: row["at_ms"],
      subject,
      source: row["source"],
      isEstimate: row["is_estimate"] === 1,
      thresholdMs: row["threshold_ms"],
      bytes: row["bytes"]
    })
  },
  heat: {
    table: "heat",
    make: (row, subject) => ({
      atMs: row["at_ms"],
      subject,
      source: row["source"],
      sampleUs: row["sample_us"],
      aggregationUs: row["aggregation_us"],
      regions: decodeRegions(row["regions"])
    })
  },
  decisions: { table: "decision", make: (row, subject) => ({ atMs: row["at_ms"], subject, reason: row["reason"] }) },
  actions: {
    table: "action",
    make: (row, subject) => ({
      atMs: row["at_ms"],
      subject,
      asked: row["asked"],
      allowed: row["allowed"] ?? undefined,
      status: row["status"],
      reclaimedBytes: row["reclaimed_bytes"] ?? undefined,
      tookMs: row["took_ms"],
      detail: row["detail"] ?? undefined
    })
  }
}
