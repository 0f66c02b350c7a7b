/**
 * What every workload of the lab says of its operations, as JSON in the file that `WMO_RESULT` names: the league measures by it. What an operation is, and what
 * latency is of, is the workload's business.
 */
export interface OperationsResult {
  readonly operations: number
  readonly operations_per_second: number
  readonly seconds: number
  /** Operations in each second since `measured_from_ms`, milliseconds since 1970. */
  readonly operations_by_second: ReadonlyArray<number>
  readonly measured_from_ms: number
  readonly p50_us: number
  readonly p99_us: number
  readonly p999_us: number
}
