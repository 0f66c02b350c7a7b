/**
 * `lru_gen`'s table by group: only the rows that are asked for are decoded. The kernel prints all groups whatever is asked, so the table is read whole;
 * where the rows of each begin is found without looking at what is in them. A table that cannot be told apart is decoded whole, and says what is wrong.
 */
import { Result } from "effect"
import type { CodecError } from "./Codec.ts"
import { headerLine, lruGen, type LruGenMemcg } from "./LruGen.ts"

export interface LruGenView {
  /** How many groups it lists, removed ones too. */
  readonly count: number
  /** All of it. */
  readonly all: () => Result.Result<ReadonlyArray<LruGenMemcg>, CodecError>
  /** The rows of a group (`/a/b`; `/` is the root) and of all below it, in the table's order. */
  readonly within: (path: string) => Result.Result<ReadonlyArray<LruGenMemcg>, CodecError>
  /** The rows of one group. */
  readonly find: (path: string) => Result.Result<LruGenMemcg | undefined, CodecError>
}

interface Section {
  readonly id: string
  readonly path: string
  readonly start: number
  readonly end: number
}

const first = Buffer.from("memcg ")
const following = Buffer.from("\nmemcg ")
const newline = 0x0a
const isOrIsBelow = (path: string, whole: string): boolean =>
  path === whole || whole === "/" || (path.startsWith(whole) && path[whole.length] === "/")

/** A removed group whose pages are not all gone yet is listed with id 0, and may have the path of a living one. */
const isRemoved = (id: string, path: string): boolean => Number(id) === 0 && path !== "/"
const isLiving = ({ id, path }: LruGenMemcg): boolean => id !== 0 || path === "/"

const countHeaders = (bytes: Buffer): number => {
  let count = 1
  for (let at = bytes.indexOf(following); at >= 0; at = bytes.indexOf(following, at + following.length)) count++
  return count
}

/** The group whose header begins there; undefined: it is none. */
const sectionAt = (bytes: Buffer, start: number): Section | undefined => {
  const next = bytes.indexOf(following, start)
  const end = next < 0 ? bytes.length : next + 1
  const lineEnd = bytes.indexOf(newline, start)
  const match = headerLine.exec(bytes.toString("utf8", start, lineEnd < 0 ? end : lineEnd))
  return match === null ? undefined : { id: match[1]!, path: match[2] || "/", start, end }
}

/**
 * The sections whose path is wanted, in the table's order. Only lines with this text in them are looked at: it begins with a slash, which is quickly
 * found, since a table has few of them.
 */
const sectionsWith = (bytes: Buffer, text: string, isWanted: (path: string) => boolean): ReadonlyArray<Section> => {
  const wanted = Buffer.from(text)
  const found: Array<Section> = []
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + wanted.length)) {
    const start = bytes.lastIndexOf(newline, at) + 1
    const section = sectionAt(bytes, start)
    // It may be a part of another path.
    if (section !== undefined && isWanted(section.path) && found.at(-1)?.start !== start) found.push(section)
  }
  return found.filter(({ id, path }) => !isRemoved(id, path))
}

const wholeView = (bytes: Uint8Array): Omit<LruGenView, "count"> => {
  const decoded = Result.map(lruGen.decode(bytes), (memcgs) => memcgs.filter(isLiving))
  return {
    all: () => decoded,
    within: (path) => Result.map(decoded, (memcgs) => memcgs.filter((memcg) => isOrIsBelow(memcg.path, path))),
    find: (path) => Result.map(decoded, (memcgs) => memcgs.find((memcg) => memcg.path === path))
  }
}

/** The bytes must stay as they are for as long as the view is used. */
export const lruGenView = (bytes: Uint8Array): LruGenView => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let whole: Omit<LruGenView, "count"> | undefined
  const all = (): Omit<LruGenView, "count"> => (whole ??= wholeView(bytes))
  let count: number | undefined
  const isTable = buffer.subarray(0, first.length).equals(first)
  const decode = ({ end, start }: Section): LruGenMemcg | undefined => {
    const decoded = lruGen.decode(bytes.subarray(start, end))
    return Result.isSuccess(decoded) ? decoded.success[0] : undefined
  }
  return {
    get count() {
      return (count ??= isTable ? countHeaders(buffer) : 0)
    },
    all: () => all().all(),
    within: (path) => {
      if (path === "/" || !isTable) return all().within(path)
      const memcgs = sectionsWith(buffer, path, (each) => isOrIsBelow(each, path)).map(decode)
      // The whole table's answer names the line.
      return memcgs.includes(undefined) ? all().within(path) : Result.succeed(memcgs as ReadonlyArray<LruGenMemcg>)
    },
    find: (path) => {
      if (path === "/" || !isTable) return all().find(path)
      const section = sectionsWith(buffer, `${path}\n`, (each) => each === path)[0]
      const memcg = section && decode(section)
      return section !== undefined && memcg === undefined ? all().find(path) : Result.succeed(memcg)
    }
  }
}
