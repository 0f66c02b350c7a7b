/**
 * The `regions` of a row of `heat`: one heat snapshot as bytes.
 *
 * regions := region*       region := unsigned(start - end of the region before)  unsigned(end - start)  unsigned(accesses)  unsigned(age)
 */
import type { HeatRegion } from "./Entry.ts"
import { ByteReader, ByteWriter, exact } from "./varint.ts"

export const encodeRegions = (regions: ReadonlyArray<HeatRegion>): Uint8Array => {
  const writer = new ByteWriter()
  let before = 0n
  for (const { accesses, age, end, start } of regions) {
    if (start < before || end < start) throw new Error(`region ${start}-${end} overlaps the one before it`)
    writer.unsigned(exact(start - before))
    writer.unsigned(exact(end - start))
    writer.unsigned(Math.round(accesses))
    writer.unsigned(Math.round(age))
    before = end
  }
  return writer.view().slice()
}

export const decodeRegions = (bytes: Uint8Array): ReadonlyArray<HeatRegion> => {
  const reader = new ByteReader(bytes)
  const regions: Array<HeatRegion> = []
  let before = 0n
  while (!reader.isAtEnd) {
    const start = before + BigInt(reader.unsigned())
    const end = start + BigInt(reader.unsigned())
    regions.push({ start, end, accesses: reader.small(), age: reader.small() })
    before = end
  }
  return regions
}
