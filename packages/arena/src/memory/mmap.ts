/**
 * Anonymous mappings through koffi: units are given back by `madvise(MADV_DONTNEED)`, so that RSS falls at once, and faulted in by
 * `MADV_POPULATE_WRITE` (Linux 5.14) where the kernel has it. Huge pages are declined: they would keep a whole 2 MiB for one unit.
 */
import type { Bytes } from "@wmo/core"
import { ArenaError } from "../ArenaError.ts"
import { copyOut } from "./copyOut.ts"
import type { OffHeapMemory, Reservation } from "./OffHeap.ts"

const PROT_READ_WRITE = 3
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022
const MADV_DONTNEED = 4
const MADV_NOHUGEPAGE = 15
const MADV_POPULATE_WRITE = 23
const mapFailed = 0xffff_ffff_ffff_ffffn
const pageBytes = 4096

interface Calls {
  readonly mmap: (bytes: Bytes) => bigint
  readonly munmap: (address: bigint, bytes: Bytes) => number
  readonly madvise: (address: bigint, bytes: Bytes, advice: number) => number
  readonly view: (address: bigint, bytes: Bytes) => ArrayBuffer
}

const reserve = (calls: Calls, unitBytes: Bytes, units: number): Reservation => {
  const total = unitBytes * units
  if (unitBytes % pageBytes !== 0) {
    throw new ArenaError({ reason: { _tag: "BadOption", option: "unit", why: `${unitBytes} bytes are not whole pages` } })
  }
  const address = calls.mmap(total)
  if (address === mapFailed) throw new ArenaError({ reason: { _tag: "NoMemory", bytes: total } })
  calls.madvise(address, total, MADV_NOHUGEPAGE)
  let all = new Uint8Array(calls.view(address, total))
  const lent = new Map<number, ArrayBuffer>()
  let canPopulate = true
  const at = (unit: number, start: Bytes): bigint => address + BigInt(unit * unitBytes + start)
  return {
    unitBytes,
    units,
    address,
    bytes: (unit, start = 0, end = unitBytes) => all.subarray(unit * unitBytes + start, unit * unitBytes + end),
    write: (unit, start, source) => all.set(source, unit * unitBytes + start),
    read: (unit, start, target) => copyOut(all, unit * unitBytes + start, target),
    lend: (unit, start = 0, end = unitBytes) => {
      const key = unit * unitBytes + start
      let buffer = lent.get(key)
      if (buffer === undefined) lent.set(key, (buffer = calls.view(at(unit, start), end - start)))
      return buffer
    },
    takeBack: (unit, start = 0) => {
      const key = unit * unitBytes + start
      lent.get(key)?.transfer()
      lent.delete(key)
    },
    populate: (unit, start = 0, end = unitBytes) => {
      // For a single page the fault itself costs less than the call.
      if (end - start === pageBytes || !canPopulate) return
      if (calls.madvise(at(unit, start), end - start, MADV_POPULATE_WRITE) !== 0) canPopulate = false
    },
    release: (unit, count = 1, start = 0, end = count * unitBytes) => {
      calls.madvise(at(unit, start), end - start, MADV_DONTNEED)
    },
    close: () => {
      for (const buffer of lent.values()) buffer.transfer()
      lent.clear()
      // Whoever still has a piece of it must find nothing, rather than an address that is no more.
      all.buffer.transfer()
      all = new Uint8Array(0)
      calls.munmap(address, total)
    }
  }
}

/** Rejects where koffi has no binary for this machine. */
export const loadMmap = async (): Promise<OffHeapMemory> => {
  const { default: koffi } = await import("koffi")
  const library = koffi.load(null)
  const mmap = library.func("void *mmap(void *address, size_t bytes, int protection, int flags, int fd, long offset)")
  const calls: Calls = {
    mmap: (bytes) => koffi.address(mmap(null, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)),
    munmap: library.func("munmap", "int", ["uint64_t", "size_t"]),
    madvise: library.func("madvise", "int", ["uint64_t", "size_t", "int"]),
    view: (address, bytes) => koffi.view(address, bytes)
  }
  return { kind: "mmap", reserve: (unitBytes, units) => reserve(calls, unitBytes, units) }
}
