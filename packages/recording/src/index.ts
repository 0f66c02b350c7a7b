/**
 * `@wmo/recording`: one SQLite file that holds runs: observations, decisions, actions, outcomes. See Schema.ts for the tables.
 */
export type { ActionStatus, Outcome, RunEnd, RunStart, Tick, WorkloadResult } from "./Entry.ts"
export { RecordingError } from "./RecordingError.ts"
export { Recorder, type RunRecorder } from "./Recorder.ts"
export { type ActionRow, type DecisionRow, type ObservationRow, openRecording, type Recording, type RunInfo } from "./Recording.ts"
export { observationColumns, schemaVersion } from "./Schema.ts"
export { type MeanPeak, summarize, type Summary, type Window } from "./Summary.ts"
