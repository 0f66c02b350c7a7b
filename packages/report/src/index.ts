/**
 * `@wmo/report`: tables from recordings.
 */
export { type Column, table } from "./Table.ts"
export { compare, type Comparison, summarySentence, summaryTable } from "./SummaryTable.ts"
export { runSummary } from "./RunSummary.ts"
