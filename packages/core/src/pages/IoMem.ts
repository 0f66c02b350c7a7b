/**
 * `/proc/iomem`: what lies where in physical memory, as a tree. Without CAP_SYS_ADMIN all addresses read 0.
 * Which page frames are memory: {@link systemRam}. Does not concern I/O ports.
 * Format: r_show in kernel/resource.c: two blanks a level, both ends included, hexadecimal.
 */
import { type Codec, quote, reject, textCodec } from "../Codec.ts"

/** A range of physical addresses. `end` is its last byte, as the kernel prints it. */
export interface IoMemRange {
  readonly start: bigint
  readonly end: bigint
  readonly name: string
  readonly children: ReadonlyArray<IoMemRange>
}

interface Building extends IoMemRange {
  readonly children: Array<Building>
}

const row = /^((?: {2})*)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.*)$/
const deepest = 32

const print = (ranges: ReadonlyArray<IoMemRange>, indent: string): string =>
  ranges
    .map(({ children, end, name, start }) => {
      const address = (value: bigint) => value.toString(16).padStart(8, "0")
      return `${indent}${address(start)}-${address(end)} : ${name}\n${print(children, `${indent}  `)}`
    })
    .join("")

/** See {@link IoMemRange}. */
export const ioMem: Codec<ReadonlyArray<IoMemRange>> = textCodec<ReadonlyArray<IoMemRange>>(
  "/proc/iomem",
  (lines) => {
    const roots: Array<Building> = []
    const levels: Array<Array<Building>> = [roots]
    lines.forEach((text, index) => {
      const match = row.exec(text)
      if (match === null) return reject(index + 1, `${quote(text)} is not a range of addresses`)
      const depth = match[1]!.length / 2
      if (depth >= levels.length || depth > deepest) return reject(index + 1, "a range lies in none")
      const range: Building = { start: BigInt(`0x${match[2]}`), end: BigInt(`0x${match[3]}`), name: match[4]!, children: [] }
      levels.length = depth + 1
      levels[depth]!.push(range)
      levels.push(range.children)
    })
    return roots
  },
  (ranges) => print(ranges, "")
)

/** The ranges that are memory, in the order of their addresses. Empty where the addresses are hidden. */
export const systemRam = (ranges: ReadonlyArray<IoMemRange>): ReadonlyArray<IoMemRange> =>
  ranges.filter(({ end, name }) => name === "System RAM" && end > 0n)
