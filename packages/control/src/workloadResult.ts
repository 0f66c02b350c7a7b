/** What a workload wrote to the file named by `WMO_RESULT`. It may be anything: only what can be understood is kept. */
import type { WorkloadResult } from "@wmo/recording"
import { readFileSync, statSync } from "node:fs"

const numbers = ["operations", "operations_per_second", "measured_from_ms", "p50_us", "p99_us", "p999_us", "wrong_bytes"]
const sizeLimit = 2 ** 20

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isNumber = (value: unknown): value is number => typeof value === "number"

const isSane = (key: string, value: unknown): boolean => {
  if (key === "operations_by_second") return Array.isArray(value) && value.every(isNumber)
  return !numbers.includes(key) || isNumber(value)
}

/** A JSON object, without those of the known keys whose value is not of their type; undefined for everything else. */
const parseWorkloadResult = (text: string): WorkloadResult | undefined => {
  const value = parse(text)
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
  return Object.fromEntries(Object.entries(value).filter(([key, entry]) => isSane(key, entry)))
}

/** Reads it; undefined where there is no file, or no file of a sensible size. */
export const readWorkloadResult = (file: string): WorkloadResult | undefined => {
  try {
    const stat = statSync(file)
    return stat.isFile() && stat.size <= sizeLimit ? parseWorkloadResult(readFileSync(file, "utf8")) : undefined
  } catch {
    return undefined
  }
}
