/**
 * Flat-keyed files (`key value` lines: memory.stat, memory.events, vmstat) and nested-keyed ones (`key N0=1 N1=2`: memory.numa_stat).
 * The flat reader is the hot path of sampling: it remembers the keys that a kernel printed and compares them in place, so that a repeated
 * read builds no strings. Order and presence of keys differ by kernel; nothing here depends on them.
 */
import { type Codec, counter, quote, reject, textCodec } from "./Codec.ts"

const space = 0x20
const newline = 0x0a
const zero = 0x30

/** So many digits a double holds exactly. What has more goes the slow way. */
const fastDigits = 15
/** 2^64 − 1 has twenty digits: what is longer is not a kernel counter. */
const mostDigits = 20
/** Groups of one kernel print different keys: the root, leaves, groups without a controller. */
const layoutsKept = 4
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

type Values = Record<string, number | bigint>

/** How a key's value is represented: an amount as a number, a count as bigint. `unknown`: a bigint, put aside. */
export type FlatKind = "amount" | "count" | "unknown"

/** `unknown` is absent where there is none. */
export interface FlatValues {
  readonly known: Values
  readonly unknown: Record<string, bigint> | undefined
}

interface Line {
  readonly name: string
  /** With the blank behind it. */
  readonly key: Uint8Array
  readonly kind: FlatKind
  /** The last count, since most do not change from one read to the next, and making a bigint costs more than reading it. */
  small: number
  count: bigint
}

/** The lines that a file had. */
interface Layout {
  readonly lines: ReadonlyArray<Line>
  /**
   * Has all keys that are known, to be copied. An object that gets dozens of computed keys one by one becomes a hash table in V8, which takes six times as
   * much; a copy of one that was made at once does not.
   */
  readonly blank: Values
}

/** Reads bytes whose lines are those of the layout; undefined where they are not, or not plain. */
const readAs = ({ blank, lines }: Layout, bytes: Uint8Array): FlatValues | undefined => {
  const known = { ...blank }
  let unknown: Record<string, bigint> | undefined
  let at = 0
  for (const line of lines) {
    const { key } = line
    for (let i = 0; i < key.length; i++) if (bytes[at + i] !== key[i]) return undefined
    at += key.length
    const start = at
    let value = 0
    for (; at < bytes.length; at++) {
      const digit = bytes[at]! - zero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    if (at === start || at - start > fastDigits || bytes[at] !== newline) return undefined
    at++
    if (line.kind === "amount") {
      known[line.name] = value
      continue
    }
    if (line.small !== value) {
      line.small = value
      line.count = BigInt(value)
    }
    if (line.kind === "count") known[line.name] = line.count
    else (unknown ??= {})[line.name] = line.count
  }
  return at === bytes.length ? { known, unknown } : undefined
}

/** Learns the lines of a file while it reads them. Rejects a line that is not `key digits`. */
const learn = (bytes: Uint8Array, kindOf: (key: string) => FlatKind): FlatValues & { readonly layout: Layout } => {
  const lines: Array<Line> = []
  const known: Values = {}
  let unknown: Record<string, bigint> | undefined
  for (let start = 0; start < bytes.length;) {
    const number = lines.length + 1
    let gap = start
    while (gap < bytes.length && bytes[gap] !== space && bytes[gap] !== newline) gap++
    if (gap === start || bytes[gap] !== space) return reject(number, "expected a key and a number")
    const name = utf8.decode(bytes.subarray(start, gap))
    let end = gap + 1
    for (; end < bytes.length && bytes[end] !== newline; end++) {
      if (bytes[end]! < zero || bytes[end]! > zero + 9) return reject(number, `the value of ${quote(name)} is not a number`)
    }
    const digits = end - gap - 1
    if (digits > mostDigits) return reject(number, `the value of ${quote(name)} has more than ${mostDigits} digits`)
    if (digits === 0) return reject(number, `${quote(name)} has no value`)
    const count = BigInt(utf8.decode(bytes.subarray(gap + 1, end)))
    const kind = kindOf(name)
    if (kind === "unknown") (unknown ??= {})[name] = count
    else known[name] = kind === "amount" ? Number(count) : count
    lines.push({ name, key: bytes.slice(start, gap + 1), kind, small: Number.NaN, count })
    start = end + 1
  }
  const all = Object.fromEntries(Object.entries(known))
  return { layout: { lines, blank: all }, known: all, unknown }
}

/** A reader with its own memory of layouts. Make one per file format. Rejects (see Codec.reject) what is not flat-keyed. */
export const makeFlatReader = (kindOf: (key: string) => FlatKind): ((bytes: Uint8Array) => FlatValues) => {
  let layouts: ReadonlyArray<Layout> = []
  return (bytes) => {
    for (const layout of layouts) {
      const values = readAs(layout, bytes)
      if (values !== undefined) return values
    }
    const learned = learn(bytes, kindOf)
    layouts = [learned.layout, ...layouts.slice(0, layoutsKept - 1)]
    return learned
  }
}

/** Values of a nested-keyed file: key → sub-key → counter. */
export type NestedKeyed = Readonly<Record<string, Readonly<Record<string, bigint>>>>

/** A nested-keyed file such as `memory.numa_stat` (bytes per node: `anon N0=1234 N1=0`). */
export const nestedKeyedFile = (file: string): Codec<NestedKeyed> =>
  textCodec(
    file,
    (lines) =>
      Object.fromEntries(
        lines.map((text, index) => {
          const [key, ...pairs] = text.trimEnd().split(" ")
          if (!key) return reject(index + 1, "expected a key")
          return [
            key,
            Object.fromEntries(
              pairs.map((pair) => {
                const [name, value] = pair.split("=")
                return [name || reject(index + 1, "expected name=value"), counter(value ?? "", index + 1)] as const
              })
            )
          ] as const
        })
      ),
    (value) =>
      Object.entries(value)
        .map(([key, pairs]) => `${[key, ...Object.entries(pairs).map(([name, count]) => `${name}=${count}`)].join(" ")}\n`)
        .join("")
  )
