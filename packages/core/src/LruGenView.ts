/**
 * `lru_gen`'s table by group: only the rows that are asked for are decoded. The kernel prints all groups whatever is asked, so the table is read whole;
 * where the rows of each begin is found without looking at what is in them. A table that cannot be told apart is decoded whole, and says what is wrong.
 */
import { Result } from "effect"
import type { CodecError } from "./Codec.ts"
import { headerLine, lruGen, type LruGenMemcg } from "./LruGen.ts"

export interface LruGenView {
  /** How many groups it lists; 0 where it cannot be understood. */
  readonly count: number
  /** All of it. */
  readonly all: () => Result.Result<ReadonlyArray<LruGenMemcg>, CodecError>
  /** The rows of a group (`/a/b`; `/` is the root) and of all below it, in the table's order. */
  readonly within: (path: string) => Result.Result<ReadonlyArray<LruGenMemcg>, CodecError>
  /** The rows of one group. */
  readonly find: (path: string) => Result.Result<LruGenMemcg | undefined, CodecError>
}

interface Section {
  /** With a slash at its end, so that what is below it begins with it. */
  readonly key: string
  readonly start: number
  readonly end: number
}

const header = Buffer.from("memcg")
const newline = 0x0a
const keyOf = (path: string): string => (path === "/" ? "/" : `${path}/`)

/** A removed group whose pages are not all gone yet is listed with id 0, and may have the path of a living one. */
const isRemoved = (id: string, path: string): boolean => Number(id) === 0 && path !== "/"
const isLiving = ({ id, path }: LruGenMemcg): boolean => id !== 0 || path === "/"

/** Undefined where the bytes do not look like a table. */
const sectionsOf = (bytes: Buffer): ReadonlyArray<Section> | undefined => {
  const starts: Array<number> = []
  for (let at = bytes.indexOf(header); at >= 0; at = bytes.indexOf(header, at + header.length))
    if (at === 0 || bytes[at - 1] === newline) starts.push(at)
  if (bytes.length > 0 && starts[0] !== 0) return undefined
  const sections: Array<Section> = []
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? bytes.length
    const lineEnd = bytes.indexOf(newline, start)
    const match = headerLine.exec(bytes.toString("utf8", start, lineEnd < 0 ? end : lineEnd))
    if (match === null) return undefined
    const path = match[2] || "/"
    if (!isRemoved(match[1]!, path)) sections.push({ key: keyOf(path), start, end })
  }
  return sections
}

/** The first place in sorted keys that is not before `key`. */
const lowerBound = (sorted: ReadonlyArray<Section>, key: string): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]!.key < key) low = middle + 1
    else high = middle
  }
  return low
}

const wholeView = (bytes: Uint8Array): LruGenView => {
  const decoded = Result.map(lruGen.decode(bytes), (memcgs) => memcgs.filter(isLiving))
  return {
    count: Result.isSuccess(decoded) ? decoded.success.length : 0,
    all: () => decoded,
    within: (path) => Result.map(decoded, (memcgs) => memcgs.filter((memcg) => keyOf(memcg.path).startsWith(keyOf(path)))),
    find: (path) => Result.map(decoded, (memcgs) => memcgs.find((memcg) => memcg.path === path))
  }
}

/** The bytes must stay as they are for as long as the view is used. */
export const lruGenView = (bytes: Uint8Array): LruGenView => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sections = sectionsOf(buffer)
  if (sections === undefined) return wholeView(bytes)
  let sorted: ReadonlyArray<Section> | undefined
  let whole: LruGenView | undefined
  const broken = (): LruGenView => (whole ??= wholeView(bytes))
  const decode = ({ end, start }: Section): LruGenMemcg | undefined => {
    const decoded = lruGen.decode(bytes.subarray(start, end))
    return Result.isSuccess(decoded) ? decoded.success[0] : undefined
  }
  const within = (key: string, isWanted: (section: Section) => boolean): ReadonlyArray<Section> => {
    sorted ??= sections.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.start - b.start))
    const found: Array<Section> = []
    for (let i = lowerBound(sorted, key); i < sorted.length && isWanted(sorted[i]!); i++) found.push(sorted[i]!)
    return found.length < 2 ? found : found.toSorted((a, b) => a.start - b.start)
  }
  return {
    count: sections.length,
    all: () => broken().all(),
    within: (path) => {
      const key = keyOf(path)
      const memcgs = within(key, (section) => section.key.startsWith(key)).map(decode)
      // The whole table's answer names the line.
      return memcgs.includes(undefined) ? broken().within(path) : Result.succeed(memcgs as ReadonlyArray<LruGenMemcg>)
    },
    find: (path) => {
      const key = keyOf(path)
      const first = within(key, (section) => section.key === key)[0]
      if (first === undefined) return Result.succeed(undefined)
      const memcg = decode(first)
      return memcg === undefined ? broken().find(path) : Result.succeed(memcg)
    }
  }
}
