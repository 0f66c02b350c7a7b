/**
 * PSI files: `/proc/pressure/*` and `<cgroup>/{cpu,memory,io}.pressure`.
 * Averages are percentages of wall time, decayed over 10, 60 and 300 s; `totalUs` counts microseconds of stall and only grows:
 * controllers use differences of it, since avg10 lags by about ten seconds. Source: kernel Documentation/accounting/psi.rst.
 */
import { Result } from "effect"
import { type Codec, counter, oneRecord, quote, reject, textCodec } from "./Codec.ts"

export interface PressureLine {
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
  readonly totalUs: bigint
}

/** `some`: at least one task stalled; `full`: all non-idle tasks at once (absent for cpu on older kernels, alone for irq). */
export interface PressureStall {
  readonly some?: PressureLine
  readonly full?: PressureLine
}

const printLine = (name: string, line: PressureLine | undefined): string =>
  line === undefined
    ? ""
    : `${name} avg10=${line.avg10.toFixed(2)} avg60=${line.avg60.toFixed(2)} avg300=${line.avg300.toFixed(2)} total=${line.totalUs}\n`

/** The line's pieces in their order; numbers stand between them. */
const pieces = [" avg10=", " avg60=", " avg300=", " total="].map((text) => new TextEncoder().encode(text))
const names = { some: new TextEncoder().encode("some"), full: new TextEncoder().encode("full") }
const zero = 0x30
const dot = 0x2e
const newline = 0x0a
/** So many digits a double holds exactly. What has more goes the slow way. */
const fastDigits = 15

const isAt = (bytes: Uint8Array, at: number, text: Uint8Array): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false
  return true
}

/** The file as the kernel prints it, read in place: it is sampled for every group. Undefined where anything is unusual. */
const readPlain = (bytes: Uint8Array): PressureStall | undefined => {
  const stall: { some?: PressureLine; full?: PressureLine } = {}
  const averages = [0, 0, 0]
  let at = 0
  while (at < bytes.length) {
    const name = isAt(bytes, at, names.some) ? "some" : isAt(bytes, at, names.full) ? "full" : undefined
    if (name === undefined) return undefined
    at += 4
    let total = 0
    for (let piece = 0; piece < pieces.length; piece++) {
      if (!isAt(bytes, at, pieces[piece]!)) return undefined
      at += pieces[piece]!.length
      const start = at
      let point = -1
      let value = 0
      for (; at < bytes.length; at++) {
        const digit = bytes[at]! - zero
        if (digit >= 0 && digit <= 9) value = value * 10 + digit
        else if (bytes[at] === dot && point < 0) point = at
        else break
      }
      if (at - start > fastDigits || at === start) return undefined
      // The kernel prints two decimals; a total has none.
      if (piece < 3 ? point !== at - 3 || point === start : point >= 0) return undefined
      if (piece < 3) averages[piece] = value / 100
      else total = value
    }
    if (at < bytes.length && bytes[at] !== newline) return undefined
    at++
    stall[name] = { avg10: averages[0]!, avg60: averages[1]!, avg300: averages[2]!, totalUs: BigInt(total) }
  }
  return stall
}

const anyPressureStall: Codec<PressureStall> = oneRecord(
  textCodec(
    "memory.pressure",
    (lines) => {
      const stall: { some?: PressureLine; full?: PressureLine } = {}
      lines.forEach((text, index) => {
        const match = /^(some|full) avg10=(\d+\.\d+) avg60=(\d+\.\d+) avg300=(\d+\.\d+) total=(\d+)$/.exec(text)
        if (match === null) return reject(index + 1, `${quote(text)} is not a pressure line`)
        stall[match[1] as "some" | "full"] = {
          avg10: Number(match[2]),
          avg60: Number(match[3]),
          avg300: Number(match[4]),
          totalUs: counter(match[5]!, index + 1)
        }
      })
      return stall
    },
    ({ full, some }) => printLine("some", some) + printLine("full", full)
  )
)

export const pressureStall: Codec<PressureStall> = {
  ...anyPressureStall,
  decode: (bytes) => {
    const stall = readPlain(bytes)
    return stall === undefined ? anyPressureStall.decode(bytes) : Result.succeed(stall)
  }
}
