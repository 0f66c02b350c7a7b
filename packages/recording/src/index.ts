/**
 * `@wmo/recording`: SQLite files that hold runs: what was observed, decided and done. README.md documents the tables.
 */
export {
  type ActionStatus,
  type ColdAgeEntry,
  type DecisionEntry,
  type HeatEntry,
  type HeatRegion,
  machineSubject,
  type Outcome,
  type PageAgeEntry,
  type PromotionEntry,
  type Provenance,
  type RunEnd,
  type RunStart,
  type Sample,
  type SampleValue,
  type Snapshot,
  type Subject,
  type SubjectKind,
  type Tick,
  type WorkingSetEntry,
  type WorkloadResult
} from "./Entry.ts"
export { describeOutcome } from "./describeOutcome.ts"
export { cgroupMetrics, cgroupSample, observationOf } from "./cgroupSample.ts"
export type { Values } from "./Frame.ts"
export { RecordingError } from "./RecordingError.ts"
export { Recorder, type RunRecorder } from "./Recorder.ts"
export type { RotationOptions } from "./RotatingWriter.ts"
export { type ObservationRow, openRecording, openRecordings, openTogether, type Recording } from "./Recording.ts"
export type { Frame, MissedTicks, Point, Query, RunInfo, SubjectInfo } from "./RecordingReader.ts"
export { schemaVersion } from "./Schema.ts"
export { type MeanPeak, summarize, summarizeGroups, type Summary, type Window } from "./Summary.ts"
export type { ActionRow, At, DecisionRow, Tables } from "./tables.ts"
export { type Choose, copyRuns } from "./copyRuns.ts"
export { globMatcher } from "./glob.ts"
export { type ImportOptions, importWmoCsv, readWmoCsv } from "./importWmoCsv.ts"
export { csvLines, jsonLines } from "./exportRows.ts"
export type { RunParts } from "./metricNames.ts"
export { openMetrics } from "./openMetrics.ts"
export { bytesOnDisk, filesOf } from "./recordingFiles.ts"
