/** The slab pool and the payload table: contents, accounting, compaction, sharing; against a plain copy, with seeds. */
import { describe, expect, it } from "vitest"
import { buffers } from "../src/index.ts"
import { BlockSpace } from "../src/memory/BlockSpace.ts"
import { noRoom, PayloadTable } from "../src/pool/PayloadTable.ts"
import { sizeClasses } from "../src/pool/sizeClasses.ts"
import { SlabPool } from "../src/pool/SlabPool.ts"
import { makeBytes, random } from "./support/data.ts"

const unlimited = Number.MAX_SAFE_INTEGER
const newBlocks = () => new BlockSpace(buffers, sizeClasses(4096).slabBytes)

describe("size classes", () => {
  it.each([4096, 65_536, 1_048_576])("of %i: every length fits, and wastes at most a sixteenth and 32 bytes", (largest) => {
    const { classOf, sizes, slabBytes, slots } = sizeClasses(largest)
    for (let length = sizes[0]!; length <= largest; length += 13) {
      const size = sizes[classOf(length)]!
      expect(size).toBeGreaterThanOrEqual(length)
      expect(size - length).toBeLessThanOrEqual(length / 15 + 32)
    }
    sizes.forEach((size, group) => expect(slabBytes - size * slots[group]!).toBeLessThan(size))
    expect(sizes[classOf(1)]).toBe(sizes[0])
    expect(sizes[classOf(largest)]).toBe(largest)
  })
})

describe("SlabPool", () => {
  it("keeps what is in it through any sequence of allocations, releases and compactions", () => {
    const source = random(11)
    const blocks = newBlocks()
    const pool = new SlabPool(blocks, 4096, unlimited)
    const live = new Map<number, { handle: number; bytes: Uint8Array }>()
    for (let step = 0; step < 20_000; step++) {
      const owner = source.below(3000)
      const known = live.get(owner)
      if (known !== undefined) {
        pool.release(known.handle, known.bytes.length)
        live.delete(owner)
      } else {
        const bytes = makeBytes("filled", 1 + source.below(4096), source)
        const handle = pool.allocate(bytes.length, owner)
        pool.bytes(handle, bytes.length).set(bytes)
        live.set(owner, { handle, bytes })
      }
      if (step % 2500 === 0) pool.compact(unlimited, (moved, handle) => (live.get(moved)!.handle = handle))
      if (step % 5000 === 4999) {
        for (const { bytes, handle } of live.values()) expect(Buffer.compare(pool.bytes(handle, bytes.length), bytes)).toBe(0)
        const { heldBytes, payloadBytes, slotBytes } = pool.stats()
        expect(payloadBytes).toBe([...live.values()].reduce((sum, { bytes }) => sum + bytes.length, 0))
        expect(slotBytes).toBeGreaterThanOrEqual(payloadBytes)
        expect(heldBytes).toBeGreaterThanOrEqual(slotBytes)
      }
    }
    for (const { bytes, handle } of live.values()) pool.release(handle, bytes.length)
    pool.compact(unlimited, () => expect.unreachable())
    expect(pool.stats().heldBytes).toBe(pool.stats().warmBytes)
    blocks.settle(0)
    expect(pool.stats()).toMatchObject({ payloadBytes: 0, slotBytes: 0, heldBytes: 0, slabs: 0, metadataBytes: 0 })
  })

  it("compaction gives back what sparse slabs hold, within its budget", () => {
    const blocks = newBlocks()
    const pool = new SlabPool(blocks, 4096, unlimited)
    const handles = Array.from({ length: 1600 }, (_, owner) => pool.allocate(4000, owner))
    handles.forEach((handle, owner) => {
      if (owner % 4 !== 0) pool.release(handle, 4000)
    })
    const before = pool.stats()
    expect(before.slabs).toBe(100)
    pool.compact(4096 * 3, () => {})
    expect(pool.stats().slabs).toBe(100)
    pool.compact(4096 * 4, () => {})
    expect(pool.stats().slabs).toBe(99)
    pool.compact(unlimited, () => {})
    blocks.settle(0)
    const after = pool.stats()
    expect(after.slabs).toBe(25)
    expect(after.heldBytes).toBe(before.heldBytes / 4)
    expect(after.slotBytes).toBe(before.slotBytes)
  })

  it("never holds more than its cap, and takes again once there is room", () => {
    const pool = new SlabPool(newBlocks(), 4096, 10 * 4096)
    const handles = Array.from({ length: 12 }, (_, owner) => pool.allocate(4096, owner))
    expect(handles.filter((handle) => handle < 0)).toHaveLength(2)
    expect(pool.stats().heldBytes).toBe(10 * 4096)
    pool.release(handles[3]!, 4096)
    expect(pool.allocate(4096, 99)).toBe(handles[3])
    expect(pool.allocate(4096, 100)).toBe(-1)
  })

  it("has a draft in the place of the next slot of the same class, where memory is there for it", () => {
    const blocks = newBlocks()
    const pool = new SlabPool(blocks, 4096, unlimited)
    expect(pool.draft(4096)).toBeUndefined()
    const payloads = new PayloadTable(pool)
    const source = random(5)
    const add = (length: number) => payloads.add(makeBytes("noise", length, source), 0)
    add(2000)
    // Its slab is new: only what has been written is there.
    expect(pool.draft(4096)).toBeUndefined()
    const numbers = Array.from({ length: 16 }, () => add(3500))
    for (const number of numbers) payloads.release(number)
    payloads.compact(unlimited)
    add(3000)
    for (const [length, isInPlace] of [
      [3000, true],
      [2990, true],
      [500, false]
    ] as const) {
      const draft = pool.draft(4096)!
      const bytes = makeBytes("noise", length, source)
      draft.set(bytes)
      const number = payloads.add(draft.subarray(0, length), 0)
      expect(payloads.unverified(number).byteOffset === draft.byteOffset).toBe(isInPlace)
      expect(Buffer.compare(payloads.verified(number)!, bytes)).toBe(0)
      if (!isInPlace) add(3000)
    }
    // A slot that was used before has neighbours.
    payloads.release(add(3000))
    expect(pool.draft(4096)).toBeUndefined()
  })

  it("uses a warm block for any class, but not beyond its cap", () => {
    const blocks = newBlocks()
    const pool = new SlabPool(blocks, 4096, 16 * 4096)
    const fill = (length: number) => Array.from({ length: 16 }, (_, owner) => pool.allocate(length, owner))
    for (const handle of fill(4096)) pool.release(handle, 4096)
    pool.compact(unlimited, () => {})
    expect(pool.stats()).toMatchObject({ slabs: 0, heldBytes: 65_536, warmBytes: 65_536 })
    // The block is used again, by another class, and holds no more than before.
    for (const handle of fill(2000)) pool.release(handle, 2000)
    expect(pool.stats()).toMatchObject({ slabs: 1, heldBytes: 65_536, warmBytes: 0 })
    pool.compact(unlimited, () => {})
    pool.capBytes = 8 * 4096
    // All of the warm block would be more than there may be.
    fill(2000)
    expect(pool.stats()).toMatchObject({ slabs: 1, warmBytes: 65_536 })
    expect(pool.stats().heldBytes - 65_536).toBeLessThanOrEqual(8 * 4096)
    expect(blocks.settle(0)).toBe(65_536)
    expect(pool.stats().warmBytes).toBe(0)
  })
})

describe("PayloadTable", () => {
  const table = (cap = unlimited) => {
    const blocks = newBlocks()
    const pool = new SlabPool(blocks, 4096, cap)
    return { blocks, pool, payloads: new PayloadTable(pool) }
  }

  it("stores equal payloads once, until the last of their chunks is gone", () => {
    const { payloads, pool } = table()
    const text = makeBytes("text", 1000, random(1))
    const first = payloads.add(text, 0)
    const held = pool.stats().heldBytes
    expect(payloads.add(text.slice(), 0)).toBe(first)
    // The same bytes of another codec are something else.
    expect(payloads.add(text, 1)).not.toBe(first)
    expect(payloads.stats()).toMatchObject({ payloads: 2, duplicates: 1 })
    payloads.release(first)
    expect(Buffer.compare(payloads.verified(first)!, text)).toBe(0)
    payloads.release(first)
    expect(payloads.stats()).toMatchObject({ payloads: 1, duplicates: 0 })
    expect(pool.stats().heldBytes).toBe(2 * held)
  })

  it("keeps fills without bytes, and tells those apart that differ in one word", () => {
    const { payloads, pool } = table()
    const zeros = payloads.addFill(0, 0)
    expect(payloads.addFill(0, 0)).toBe(zeros)
    expect(payloads.addFill(0, 1)).not.toBe(zeros)
    expect(payloads.addFill(1, 0)).not.toBe(zeros)
    expect(payloads.fill(payloads.addFill(5, 6))).toEqual([5, 6])
    expect(pool.stats().heldBytes).toBe(0)
  })

  it("notices a single flipped bit, and never shares a damaged payload", () => {
    const { payloads } = table()
    const text = makeBytes("text", 1000, random(1))
    const number = payloads.add(text, 0)
    payloads.unverified(number)[500]! ^= 4
    expect(payloads.verified(number)).toBeUndefined()
    expect(payloads.add(text, 0)).not.toBe(number)
  })

  it("finds all of ten thousand again, and forgets them", () => {
    const { blocks, payloads, pool } = table()
    const bytesOf = (at: number) => new Uint8Array(new Uint32Array([at, at * 7, at ^ 0x5555]).buffer)
    const numbers = Array.from({ length: 10_000 }, (_, at) => payloads.add(bytesOf(at), 0))
    numbers.forEach((number, at) => expect(payloads.add(bytesOf(at), 0)).toBe(number))
    for (const number of [...numbers, ...numbers]) payloads.release(number)
    payloads.compact(unlimited)
    blocks.settle(0)
    expect(payloads.stats()).toMatchObject({ payloads: 0, duplicates: 0 })
    expect(pool.stats().heldBytes).toBe(0)
    // Numbers are used again.
    expect(payloads.add(bytesOf(1), 0)).toBeLessThan(10_000)
  })

  it("replaces a payload for all who share it, and leaves it where there is no room", () => {
    const { payloads, pool } = table(4096 + 2048)
    const number = payloads.add(makeBytes("noise", 4000, random(1)), 0)
    payloads.add(makeBytes("noise", 4000, random(1)), 0)
    expect(payloads.replace(number, makeBytes("noise", 3000, random(2)), 1)).toBe(noRoom)
    expect(payloads.verified(number)).toHaveLength(4000)
    expect(payloads.replace(number, makeBytes("noise", 1500, random(2)), 1)).toBe(number)
    expect(payloads.verified(number)).toHaveLength(1500)
    expect(payloads.codec(number)).toBe(1)
    payloads.release(number)
    payloads.release(number)
    expect(pool.stats().payloadBytes).toBe(0)
  })
})
