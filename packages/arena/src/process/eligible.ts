/**
 * Which mappings of a process may be paged out: private anonymous memory that it can read. Says of the others why not. Pure.
 * Does not say how long they have lived (ChunkTable) nor what of them is in memory (PageMap).
 */
import type { Bytes, Mapping } from "@wmo/core"

export type Unfit = "file" | "shared" | "special" | "locked" | "no access"

/** Addresses as numbers: below 2^47 on every machine that this runs on, 2^57 with five-level paging, and then only when asked for. */
export interface Span {
  readonly start: number
  readonly end: number
  readonly name: string
}

const userEnd = 2n ** 53n

/** Undefined: fit. `locked`: starts of mappings that are locked, huge or of a device, as `smaps` flags say. */
const unfitness = (mapping: Mapping, locked: ReadonlySet<bigint>): Unfit | undefined => {
  const { end, inode, path, permissions, start } = mapping
  if (permissions[3] === "s") return "shared"
  if (inode !== 0n || path.startsWith("/")) return "file"
  if (end > userEnd || !(path === "" || path === "[heap]" || path.startsWith("[anon:"))) return "special"
  if (permissions[0] !== "r") return "no access"
  return locked.has(start) ? "locked" : undefined
}

export interface Sorted {
  readonly fit: ReadonlyArray<Span>
  /** Bytes of address space by reason. */
  readonly unfit: Partial<Record<Unfit, Bytes>>
}

export const sortMappings = (mappings: ReadonlyArray<Mapping>, locked: ReadonlySet<bigint>): Sorted => {
  const fit: Array<Span> = []
  const unfit: Partial<Record<Unfit, Bytes>> = {}
  for (const mapping of mappings) {
    const why = unfitness(mapping, locked)
    if (why === undefined) fit.push({ start: Number(mapping.start), end: Number(mapping.end), name: mapping.path || "[anon]" })
    else unfit[why] = (unfit[why] ?? 0) + Number(mapping.end - mapping.start)
  }
  return { fit, unfit }
}
