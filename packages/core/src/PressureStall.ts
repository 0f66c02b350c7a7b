/**
 * PSI files: `/proc/pressure/*` and `<cgroup>/{cpu,memory,io}.pressure`.
 * Averages are percentages of wall time, decayed over 10, 60 and 300 s; `totalUs` counts microseconds of stall and only grows:
 * controllers use differences of it, since avg10 lags by about ten seconds. Source: kernel Documentation/accounting/psi.rst.
 */
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

export const pressureStall: Codec<PressureStall> = oneRecord(
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
