/**
 * Flat-keyed files (`key value` lines: memory.stat, memory.events, vmstat) and nested-keyed ones (`key N0=1 N1=2`: memory.numa_stat).
 * The flat scanner is the hot path of sampling: it remembers the order of keys that a kernel prints and compares bytes in place, so
 * that a repeated read builds no strings. Order and presence of keys differ by kernel; nothing here depends on them.
 */
import { type Codec, counter, quote, reject, textCodec } from "./Codec.ts"

const space = 0x20
const newline = 0x0a
const zero = 0x30

/** 2^64 − 1 has twenty digits: what is longer is not a kernel counter. */
const mostDigits = 20
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

interface KnownKey {
  readonly name: string
  readonly bytes: Uint8Array
}

/** Called for each line. `small` is the value when it is below 2^53, else NaN; `large()` gives it exactly, only until the call returns. */
export type OnFlatKey = (key: string, small: number, large: () => bigint) => void

/**
 * A scanner with its own memory of key order. Make one per file format.
 * Rejects (see Codec.reject) a line that is not `key digits`.
 */
export const makeFlatScanner = (): ((bytes: Uint8Array, onKey: OnFlatKey) => void) => {
  const known: Array<KnownKey> = []
  const isAt = (key: KnownKey, bytes: Uint8Array, start: number, length: number): boolean => {
    if (key.bytes.length !== length) return false
    for (let i = 0; i < length; i++) if (key.bytes[i] !== bytes[start + i]) return false
    return true
  }
  // The line at hand. Outside, so that a line costs no closure of its own.
  let input: Uint8Array = new Uint8Array()
  let value = 0
  let from = 0
  let end = 0
  const large = (): bigint => (Number.isSafeInteger(value) ? BigInt(value) : BigInt(utf8.decode(input.subarray(from, end))))
  return (bytes, onKey) => {
    input = bytes
    let line = 0
    for (let start = 0; start < bytes.length; line++) {
      let gap = start
      while (gap < bytes.length && bytes[gap] !== space && bytes[gap] !== newline) gap++
      if (gap === start || bytes[gap] !== space) return reject(line + 1, "expected a key and a number")
      let key = known[line]
      if (key === undefined || !isAt(key, bytes, start, gap - start)) {
        const slice = bytes.slice(start, gap)
        key = { name: utf8.decode(slice), bytes: slice }
        known[line] = key
      }
      from = gap + 1
      end = from
      value = 0
      for (; end < bytes.length && bytes[end] !== newline; end++) {
        const digit = bytes[end]! - zero
        if (digit < 0 || digit > 9) return reject(line + 1, `the value of ${quote(key.name)} is not a number`)
        value = value * 10 + digit
      }
      if (end - gap > mostDigits + 1) return reject(line + 1, `the value of ${quote(key.name)} has more than ${mostDigits} digits`)
      if (end === gap + 1) return reject(line + 1, `${quote(key.name)} has no value`)
      onKey(key.name, value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN, large)
      start = end + 1
    }
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
