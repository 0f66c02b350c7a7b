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
export { type HeatInput, HeatHistory, type HistoryOptions, type MappedRange } from "./heat/HeatHistory.ts"
export { type HeatRow, type HeatView, type RowKind, viewOf, type ViewOptions } from "./heat/HeatView.ts"
export { type AgeInput, AgeHistory } from "./heat/AgeHistory.ts"
export type { HeatOverlay, HeatScale } from "./heat/heatScale.ts"
export { clockTime, heatColumns, heatLines, legendLine, type LinesOptions, scaleLine } from "./heat/heatLines.ts"
export { heatSvg, type SvgOptions } from "./heat/heatSvg.ts"
export {
  agesOfTrees,
  parentOf,
  type TopAges,
  type TopDecision,
  type TopFrame,
  topGroup,
  type TopGroup,
  type TopValues
} from "./top/TopFrame.ts"
export { type TopRow, topRows } from "./top/TopRow.ts"
export { type TopColumnName, topColumnNames, topColumns, type TopSort, topSorts } from "./top/topColumns.ts"
export { type TopArrangement, topTree, type TopTreeRow } from "./top/topTree.ts"
export { noHistory, remember, series, sparkline, type TopHistory } from "./top/TopHistory.ts"
export { layoutOf, policyPhrase, topHead, topLine, topTable } from "./top/topLines.ts"
export { topDetail, type TopDetail } from "./top/topDetail.ts"
export { topJson } from "./top/topJson.ts"
