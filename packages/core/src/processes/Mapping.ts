/**
 * `/proc/PID/maps`: the address space of a process as a list of mappings; the same header line stands in `smaps`.
 * Parses bytes: a large process has tens of thousands of them. Paths stay as the kernel prints them (`\012` for a line end, ` (deleted)`).
 * Format: kernel Documentation/filesystems/proc.rst, "/proc/PID/maps"; show_vma_header_prefix in fs/proc/task_mmu.c.
 */
import { bytesCodec, type Codec, reject } from "../Codec.ts"

/** A mapping. Addresses and offset in bytes, `end` exclusive. */
export interface Mapping {
  readonly start: bigint
  readonly end: bigint
  /** `rwxp`: readable, writable, executable, private; `-` where not, `s` for shared. */
  readonly permissions: string
  readonly offset: bigint
  /** `major:minor` in hexadecimal; `00:00` without a file. */
  readonly device: string
  readonly inode: bigint
  /** A path, a name in brackets (`[heap]`, `[stack]`, `[anon:…]`), or empty. */
  readonly path: string
}

const space = 0x20
const newline = 0x0a
const zero = 0x30
const dash = 0x2d
/** Digits of a hexadecimal number that a double holds exactly. */
const exactDigits = 13
const pathColumn = 73
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

const text = (bytes: Uint8Array, from: number, to: number): string => utf8.decode(bytes.subarray(from, to))

/** The value of a lowercase hexadecimal digit, else −1. */
const hexDigit = (byte: number | undefined): number => {
  if (byte === undefined) return -1
  if (byte >= zero && byte <= 0x39) return byte - zero
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1
}

/** Whether a line that starts with this byte is a mapping's header: keys of `smaps` start with capitals. */
export const startsHeader = (byte: number): boolean => hexDigit(byte) >= 0

/** Where the last number ended. Outside, so that a header costs no objects but its own. */
let at = 0

const hex = (bytes: Uint8Array, from: number, line: number): bigint => {
  let value = 0
  let digit: number
  for (at = from; (digit = hexDigit(bytes[at])) >= 0; at++) value = value * 16 + digit
  if (at === from || at - from > 16) return reject(line, "expected a hexadecimal number")
  return at - from <= exactDigits ? BigInt(value) : BigInt(`0x${text(bytes, from, at)}`)
}

const expected = (bytes: Uint8Array, byte: number, line: number): number =>
  bytes[at] === byte ? at + 1 : reject(line, "is not a mapping: expected start-end permissions offset device inode path")

/** Reads a header between `from` and `to` (the line end); rejects what is none. */
export const parseHeader = (bytes: Uint8Array, from: number, to: number, line: number): Mapping => {
  const start = hex(bytes, from, line)
  const end = hex(bytes, expected(bytes, dash, line), line)
  const permissionsAt = expected(bytes, space, line)
  at = permissionsAt + 4
  const offset = hex(bytes, expected(bytes, space, line), line)
  const deviceAt = expected(bytes, space, line)
  for (at = deviceAt; at < to && bytes[at] !== space; at++);
  const deviceEnd = at
  const inodeAt = expected(bytes, space, line)
  let inode = 0
  for (at = inodeAt; at < to && bytes[at]! >= zero && bytes[at]! <= 0x39; at++) inode = inode * 10 + bytes[at]! - zero
  const inodeEnd = at
  if (inodeEnd === inodeAt || inodeEnd - inodeAt > 20 || (at < to && bytes[at] !== space)) return reject(line, "expected an inode number")
  while (at < to && bytes[at] === space) at++
  if (at > to || deviceEnd === deviceAt) return reject(line, "a mapping ends too early")
  return {
    start,
    end,
    permissions: permissionsOf(bytes, permissionsAt, line),
    offset,
    device: bytes[deviceAt] === zero && isNoDevice(bytes, deviceAt, deviceEnd) ? "00:00" : text(bytes, deviceAt, deviceEnd),
    inode: Number.isSafeInteger(inode) ? BigInt(inode) : BigInt(text(bytes, inodeAt, inodeEnd)),
    path: at === to ? "" : text(bytes, at, to)
  }
}

const isNoDevice = (bytes: Uint8Array, from: number, to: number): boolean =>
  to - from === 5 && bytes[from + 1] === zero && bytes[from + 2] === 0x3a && bytes[from + 3] === zero && bytes[from + 4] === zero

/** The few words there are, so that none is built twice. */
const permissionWords = new Map<number, string>()

const permissionsOf = (bytes: Uint8Array, from: number, line: number): string => {
  const code = (bytes[from]! << 24) | (bytes[from + 1]! << 16) | (bytes[from + 2]! << 8) | bytes[from + 3]!
  const known = permissionWords.get(code)
  if (known !== undefined) return known
  const word = text(bytes, from, from + 4)
  if (!/^[r-][w-][x-][ps]$/.test(word)) return reject(line, "expected permissions such as rw-p")
  permissionWords.set(code, word)
  return word
}

const address = (value: bigint): string => value.toString(16).padStart(8, "0")

/** The header line of a mapping, its line end included. */
export const printHeader = (mapping: Mapping): string => {
  const { device, end, inode, offset, path, permissions, start } = mapping
  const left = `${address(start)}-${address(end)} ${permissions} ${address(offset)} ${device} ${inode} `
  return path === "" ? `${left}\n` : `${left.padEnd(pathColumn)}${path}\n`
}

/** `/proc/PID/maps`; empty for kernel threads. */
export const maps: Codec<ReadonlyArray<Mapping>> = bytesCodec<ReadonlyArray<Mapping>>(
  "/proc/PID/maps",
  (bytes) => {
    const mappings: Array<Mapping> = []
    for (let start = 0, line = 1; start < bytes.length; line++) {
      const next = bytes.indexOf(newline, start)
      const end = next < 0 ? bytes.length : next
      mappings.push(parseHeader(bytes, start, end, line))
      start = end + 1
    }
    return mappings
  },
  (mappings) => mappings.map(printHeader).join("")
)
