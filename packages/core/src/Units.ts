/**
 * Units of memory and time as people write and read them. Amounts in this library are plain numbers whose alias names the unit;
 * counters that only grow are bigint (subtract first, then convert the difference).
 * Sizes are binary (KiB = 1024 bytes), as everywhere in the kernel.
 */
import { Result } from "effect"

/** An amount of memory in bytes: a non-negative integer. Kernel amounts are page-aligned below 2^63, which a double holds exactly. */
export type Bytes = number
/** A number of base pages. */
export type Pages = number
/** A span of time in milliseconds. */
export type Milliseconds = number
/** A span of time in microseconds. */
export type Microseconds = number
/** The base page size that every supported architecture is assumed to use here (x86-64, arm64 with 4 KiB granule). */
export const pageSize: Bytes = 4096

const sizeUnits: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 }

/**
 * Reads a size as people write it: `4096`, `64M`, `64MB`, `1.5GiB`, `2 g`. All units are powers of 1024.
 * Fails with a sentence that says what was wrong.
 */
export const parseBytes = (text: string): Result.Result<Bytes, string> => {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?\s*$/i.exec(text)
  if (match === null) return Result.fail(`"${text}" is not a size: write a number with K, M, G or T, for example 64M or 1.5GiB`)
  const bytes = Math.round(Number(match[1]) * sizeUnits[match[2]!.toLowerCase()]!)
  return Number.isSafeInteger(bytes) ? Result.succeed(bytes) : Result.fail(`"${text}" is more memory than a machine can hold`)
}

/** Prints a size so that `parseBytes` reads the same number: `64M`, `4097`. For configuration and records; `formatBytes` is for people. */
export const printBytes = (bytes: Bytes): string => {
  const whole = Object.entries(sizeUnits).findLast(([, size]) => bytes % size === 0)
  return whole === undefined || bytes === 0 ? String(bytes) : `${bytes / whole[1]}${whole[0].toUpperCase().replace("B", "")}`
}

/** Prints a size for people: `0 B`, `12.0 KiB`, `419 MiB`, `1.50 GiB`. Three significant digits, never scientific. */
export const formatBytes = (bytes: Bytes): string => {
  if (!Number.isFinite(bytes)) return String(bytes)
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
  let value = Math.abs(bytes)
  let unit = 0
  while (value >= 1023.5 && unit < names.length - 1) {
    value /= 1024
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${bytes < 0 ? "-" : ""}${value.toFixed(digits)} ${names[unit]}`
}

const durationUnits: Readonly<Record<string, number>> = {
  µs: 0.001,
  us: 0.001,
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000
}

/** Reads a duration as people write it: `500ms`, `1s`, `1.5s`, `2m`, `1h`, `2m30s`. Gives milliseconds. A unit is required. */
export const parseDuration = (text: string): Result.Result<Milliseconds, string> => {
  const trimmed = text.trim()
  if (!/^(?:\d+(?:\.\d+)?\s*(?:us|µs|ms|s|min|m|h|d)\s*)+$/i.test(trimmed)) {
    return Result.fail(`"${text}" is not a duration: write a number with ms, s, m or h, for example 500ms, 10s or 2m`)
  }
  let total = 0
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*(us|µs|ms|s|min|m|h|d)/gi)) {
    total += Number(amount) * durationUnits[unit!.toLowerCase()]!
  }
  return Result.succeed(total)
}

/** Prints a duration so that `parseDuration` reads the same number: `10s`, `1500ms`. `formatDuration` is for people. */
export const printDuration = (ms: Milliseconds): string => {
  const whole = [["h", 3_600_000] as const, ["m", 60_000] as const, ["s", 1000] as const].find(([, size]) => ms !== 0 && ms % size === 0)
  return whole === undefined ? `${ms}ms` : `${ms / whole[1]}${whole[0]}`
}

/** Prints a duration for people: `250 µs`, `12.0 ms`, `4.50 s`, `2 m 30 s`. */
export const formatDuration = (ms: Milliseconds): string => {
  if (!Number.isFinite(ms)) return "∞"
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`
  if (ms < 999.5) return `${ms < 9.995 ? ms.toFixed(2) : ms < 99.95 ? ms.toFixed(1) : ms.toFixed(0)} ms`
  const seconds = ms / 1000
  if (seconds < 59.95) return `${seconds < 9.995 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  return hours > 0 ? `${hours} h ${minutes} m` : `${minutes} m ${whole % 60} s`
}
