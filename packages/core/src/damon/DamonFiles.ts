/**
 * Codecs of the single files of DAMON: amounts with the kernel's own "no limit", addresses, signed ids, switches, words and lists.
 * Which file has which codec is in DamonLayout. Formats: kernel mm/damon/sysfs*.c, Documentation/admin-guide/mm/damon/usage.rst.
 */
import { type Codec, counter, exactNumber, oneRecord, printNumber, quote, reject, textCodec } from "../Codec.ts"

const ulongMax = 2n ** 64n - 1n
const uintMax = 2 ** 32 - 1

const oneLine = (lines: ReadonlyArray<string>): string =>
  lines.length === 1 ? lines[0]! : reject(1, `expected one line, found ${lines.length}`)

const scalar = <A>(file: string, parse: (text: string) => A, print: (value: A) => string): Codec<A> =>
  oneRecord(
    textCodec(
      file,
      (lines) => parse(oneLine(lines)),
      (value) => `${print(value)}\n`
    )
  )

/** An unsigned long: bytes, microseconds, a count. `Infinity` is its largest value, 18446744073709551615, which everybody writes for "no limit". */
export const ulongFile = (file: string): Codec<number> =>
  scalar(
    file,
    (text) => (text === String(ulongMax) ? Infinity : exactNumber(text, 1)),
    (value) => (value === Infinity ? String(ulongMax) : printNumber(value))
  )

/**
 * A file that takes an unsigned long of which the kernel uses the lower 32 bits: ages and access counts of a scheme. `Infinity` is
 * 4294967295, and reads back from either spelling of "no limit"; what has more than 32 bits is no limit too.
 */
export const uintLimitFile = (file: string): Codec<number> =>
  scalar(
    file,
    (text) => (text === String(ulongMax) || text === String(uintMax) ? Infinity : exactNumber(text, 1)),
    (value) => printNumber(Math.min(value, uintMax))
  )

/** An address in bytes, or a counter of 64 bits. */
export const unsigned64File = (file: string): Codec<bigint> => scalar(file, (text) => counter(text, 1), String)

/** A signed id: a process (0 where there is none), a NUMA node (−1 for none). */
export const signedFile = (file: string): Codec<number> =>
  scalar(
    file,
    (text) => (/^-\d{1,15}$/.test(text) && !/^-0+$/.test(text) ? Number(text) : exactNumber(text, 1)),
    (value) => String(value)
  )

/** The pid of a kdamond or of a module's; undefined while it is off (the file says −1). */
export const kdamondPid = (file: string): Codec<number | undefined> =>
  scalar(
    file,
    (text) => (text === "-1" ? undefined : exactNumber(text, 1)),
    (value) => (value === undefined ? "-1" : printNumber(value))
  )

/** What `state` says. What may be written to it beside these are commands, see Damon. */
export type KdamondState = "on" | "off"

export const kdamondState: Codec<KdamondState> = scalar(
  "state",
  (text) => (text === "on" || text === "off" ? text : reject(1, `${quote(text)} is neither on nor off`)),
  (value) => value
)

/**
 * A path of a memory cgroup below its mount; a filter that has none prints an empty line. What was written with a line end is printed
 * with two.
 */
export const cgroupPathFile = (file: string): Codec<string> =>
  oneRecord(
    textCodec(
      file,
      (lines) => oneLine(lines.length === 2 && lines[1] === "" ? lines.slice(0, 1) : lines),
      (value) => `${value}\n`
    )
  )

/** `avail_operations`: one name a line. */
export const wordLines = (file: string): Codec<ReadonlyArray<string>> =>
  oneRecord(
    textCodec<ReadonlyArray<string>>(
      file,
      (lines) => lines.map((line, i) => (/^\S+$/.test(line) ? line : reject(i + 1, `${quote(line)} is not one word`))),
      (words) => words.map((word) => `${word}\n`).join("")
    )
  )

/** Integers separated by commas, negative ones too: `memory_idle_ms_percentiles`. */
export const signedList = (file: string): Codec<ReadonlyArray<number>> =>
  scalar<ReadonlyArray<number>>(
    file,
    (text) => {
      if (text === "") return []
      return text.split(",").map((word) => {
        const value = /^-?\d{1,19}$/.test(word) ? Number(word) : Number.NaN
        return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : reject(1, `${quote(word)} is not an integer`)
      })
    },
    (values) => values.join(",")
  )
