/**
 * `@wmo/report`: tables from recordings.
 */
export { type Column, table } from "./Table.ts"
export { compare, type Comparison, summarySentence, summaryTable } from "./SummaryTable.ts"
export { runSummary } from "./RunSummary.ts"
export {
  type Color,
  cutText,
  fitLine,
  fitText,
  type Line,
  line,
  lineWidth,
  plainLine,
  printable,
  type Span,
  span,
  type Style,
  textWidth
} from "./StyledLine.ts"
