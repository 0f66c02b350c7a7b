/** Regions: what is read is what was written, in every state of a chunk; views; what compressing saves; damage is an error with a name. */
import { describe, expect, it } from "vitest"
import { Arena, ArenaError, type ArenaOptions, buffers, type Codec, loadMemory, type OffHeapMemory } from "../src/index.ts"
import { makeBytes, random } from "./support/data.ts"

const best = await loadMemory()
const chunkBytes = 4096

const open = (options: ArenaOptions = {}) => Arena.open({ memory: buffers, chunkBytes, ...options })

/** What it throws. */
const failure = (run: () => unknown): ArenaError => {
  try {
    run()
  } catch (problem) {
    if (problem instanceof ArenaError) return problem
    throw problem
  }
  return expect.unreachable()
}

describe.each([...new Set([best, buffers])])("a region on $kind", (memory) => {
  it("is all zeros, and gives back what is written across chunks", async () => {
    using arena = await open({ memory })
    const region = arena.region(10 * chunkBytes + 100)
    expect(region.chunks).toBe(11)
    expect(region.read(0, region.bytes).every((byte) => byte === 0)).toBe(true)
    const text = makeBytes("text", 3 * chunkBytes, random(1))
    region.write(1000, text)
    expect(Buffer.compare(region.read(1000, text.length), text)).toBe(0)
    region.write(region.bytes - 5, text.subarray(0, 5))
    expect(region.read(region.bytes - 5, 5)).toEqual(text.subarray(0, 5))
  })

  it("gives back what was compressed, whatever it was", async () => {
    using arena = await open({ memory })
    for (const kind of ["zeros", "filled", "text", "records", "noise"] as const) {
      const region = arena.region(2 * chunkBytes)
      const bytes = makeBytes(kind, chunkBytes, random(5))
      region.write(0, bytes)
      const outcome = region.compress(0)
      expect(outcome).toBe({ zeros: "filled", filled: "filled", text: "compressed", records: "compressed", noise: "incompressible" }[kind])
      expect(region.state(0)).toBe(kind === "noise" ? "raw" : "compressed")
      expect(Buffer.compare(region.read(0, chunkBytes), bytes)).toBe(0)
      expect(region.state(0)).toBe("raw")
    }
  })

  it("a view is the memory itself; it pins its chunk, and is empty after its release", async () => {
    using arena = await open({ memory })
    const region = arena.region(2 * chunkBytes)
    region.write(0, makeBytes("text", chunkBytes, random(1)))
    region.compress(0)
    const view = region.view(10, 20)
    const kept = view.bytes
    kept.fill(8)
    expect(region.read(9, 22).filter((byte) => byte === 8)).toHaveLength(20)
    expect(region.compress(0)).toBe("left")
    const second = region.view(0, 100)
    view.release()
    view.release()
    expect(view.bytes.length).toBe(0)
    expect(region.compress(0)).toBe("left")
    second[Symbol.dispose]()
    expect([kept.length, second.bytes.length]).toEqual([0, 0])
    expect(region.compress(0)).toBe("compressed")
    expect(region.withView(10, 20, (bytes) => bytes.every((byte) => byte === 8))).toBe(true)
    expect(region.compress(0)).toBe("compressed")
  })

  it("a view is released when its user throws", async () => {
    using arena = await open({ memory })
    const region = arena.region(chunkBytes)
    expect(() => region.withView(0, 8, () => JSON.parse("{"))).toThrow(SyntaxError)
    region.write(0, makeBytes("text", 100, random(1)))
    expect(region.compress(0)).toBe("compressed")
  })
})

describe("what is not possible is said in one line", () => {
  it("beyond the end, across chunks, after free, while in view", async () => {
    using arena = await open()
    const region = arena.region(2 * chunkBytes, "cache")
    expect(failure(() => region.read(8000, 200)).message).toBe("region cache: 200 bytes at 8000 are not within its 8192 bytes")
    for (const offset of [-1, 0.5, Number.NaN]) expect(failure(() => region.read(offset, 1)).reason._tag).toBe("OutOfRange")
    expect(failure(() => region.view(4090, 10)).message).toContain("10 bytes at 4090 cross a chunk of 4096 bytes")
    const view = region.view(0, 1)
    expect(failure(() => region.free()).message).toBe("region cache: it is in view; release the views first")
    expect(failure(() => arena.close()).reason._tag).toBe("InView")
    view.release()
    region.free()
    region.free()
    expect(failure(() => region.read(0, 1)).message).toBe("region cache: it has been freed")
    expect(region.compress(0)).toBe("left")
    expect(region.restoreEarly(0)).toBe(false)
  })

  it.each([
    [{ chunkBytes: 5000 }, "arena: chunkBytes: 5000 is not a power of two from 4.00 KiB to 1.00 MiB"],
    [{ chunkBytes: 2 ** 21 }, "arena: chunkBytes: 2097152 is not a power of two from 4.00 KiB to 1.00 MiB"],
    [{ minSavingsPercent: 99 }, "arena: minSavingsPercent: 99 is not between 0 and 95"],
    [{ keepRawAboveBytes: 5000 }, "arena: keepRawAboveBytes: 5000 is not between 1 and the chunk's 4096 bytes"],
    [
      { keepRawAboveBytes: 2990, minSavingsPercent: 27 },
      "arena: keepRawAboveBytes: minSavingsPercent says the same as a share, give one of them"
    ],
    [{ poolBytes: -1 }, "arena: poolBytes: -1 is not an amount of memory"]
  ])("options %o", async (options, message) => {
    await expect(open(options)).rejects.toThrow(message)
  })

  it("no region of nothing, none after the arena is closed", async () => {
    const arena = await open()
    expect(failure(() => arena.region(0)).reason._tag).toBe("BadOption")
    arena.close()
    arena.close()
    expect(failure(() => arena.region(1)).reason._tag).toBe("Closed")
  })
})

describe("compressing", () => {
  it("costs what the statistics say, metadata included", async () => {
    using arena = await open()
    const region = arena.region(1000 * chunkBytes)
    const source = random(3)
    for (let chunk = 0; chunk < 1000; chunk++) region.write(chunk * chunkBytes, makeBytes("text", chunkBytes, source))
    expect(arena.stats()).toMatchObject({ logicalBytes: 1000 * chunkBytes, rawBytes: 1000 * chunkBytes, compressedChunks: 0 })
    for (let chunk = 0; chunk < 1000; chunk++) region.compress(chunk)
    const { compressedChunks, heldBytes, metadataBytes, pool, ratio, rawBytes } = arena.stats()
    expect([compressedChunks, rawBytes]).toEqual([1000, 0])
    expect(heldBytes).toBe(pool.heldBytes + metadataBytes)
    expect(metadataBytes / 1000).toBeLessThan(80)
    expect(ratio).toBeGreaterThan(2)
    region.free()
    arena.compact()
    expect(arena.stats()).toMatchObject({ logicalBytes: 0, pool: { heldBytes: 0, slabs: 0 } })
  })

  it("equal chunks share a payload, whose bytes stay until the last is written", async () => {
    using arena = await open()
    const region = arena.region(100 * chunkBytes)
    const text = makeBytes("text", chunkBytes, random(3))
    for (let chunk = 0; chunk < 100; chunk++) {
      region.write(chunk * chunkBytes, text)
      region.compress(chunk)
    }
    const one = arena.stats()
    expect(one.duplicateChunks).toBe(99)
    expect(one.pool.payloadBytes).toBeLessThan(chunkBytes)
    for (let chunk = 0; chunk < 99; chunk++) region.write(chunk * chunkBytes, new Uint8Array([1]))
    expect(arena.stats().pool.payloadBytes).toBe(one.pool.payloadBytes)
    expect(Buffer.compare(region.read(99 * chunkBytes, chunkBytes), text)).toBe(0)
    expect(arena.stats().pool.payloadBytes).toBe(0)
  })

  it("what does not compress is tried once, and again only after a write", async () => {
    using arena = await open()
    const region = arena.region(chunkBytes)
    region.write(0, makeBytes("noise", chunkBytes, random(3)))
    expect(region.compress(0)).toBe("incompressible")
    expect(region.isCandidate(0)).toBe(false)
    region.read(0, 100)
    expect(region.compress(0)).toBe("left")
    expect(arena.counters.incompressible).toBe(1)
    region.write(0, makeBytes("text", chunkBytes, random(3)))
    expect(region.compress(0)).toBe("compressed")
  })

  it("what has never been used is not looked at", async () => {
    using arena = await open()
    const region = arena.region(8 * chunkBytes)
    expect(region.compress(3)).toBe("left")
    expect(arena.stats().logicalBytes).toBe(0)
  })

  it("keeps raw what saves less than asked", async () => {
    using arena = await open({ minSavingsPercent: 80 })
    const region = arena.region(chunkBytes)
    region.write(0, makeBytes("text", chunkBytes, random(3)))
    expect(region.compress(0)).toBe("incompressible")
  })

  it("keeps raw what compresses to more bytes than asked, which may be changed", async () => {
    // Compresses every chunk to as many bytes, if it may.
    const sized: Codec = { name: "sized", compress: (_, { length }) => (length >= 2990 ? 2990 : 0), decompress: () => {} }
    using arena = await open({ codec: sized, keepRawAboveBytes: 2989 })
    const region = arena.region(2 * chunkBytes)
    region.write(0, makeBytes("text", 2 * chunkBytes, random(3)))
    expect(region.compress(0)).toBe("incompressible")
    arena.keepRawAboveBytes = 2990
    expect(region.compress(1)).toBe("compressed")
    expect(region.compress(0)).toBe("left")
    expect(failure(() => (arena.keepRawAboveBytes = 0)).reason._tag).toBe("BadOption")
    expect(arena.keepRawAboveBytes).toBe(2990)
  })

  it("stays raw where the pool is full; the cap can be raised", async () => {
    using arena = await open({ poolBytes: 1000 })
    const region = arena.region(chunkBytes)
    const text = makeBytes("text", chunkBytes, random(3))
    region.write(0, text)
    expect(region.compress(0)).toBe("full")
    expect(Buffer.compare(region.read(0, chunkBytes), text)).toBe(0)
    arena.poolBytes = 10_000
    expect(region.compress(0)).toBe("compressed")
  })

  it("the coldest tier is smaller, and gives the same bytes", async () => {
    using arena = await open({ chunkBytes: 65_536 })
    const region = arena.region(2 * 65_536)
    const text = makeBytes("text", 65_536, random(3))
    region.write(0, text)
    region.write(65_536, text)
    region.compress(0)
    region.compress(1)
    const before = arena.stats().pool.payloadBytes
    const saved = region.demote(0)
    expect(saved).toBeGreaterThan(before / 16)
    expect(arena.stats().pool.payloadBytes).toBe(before - saved)
    // It shares its payload with 0, so it has moved too.
    expect(region.demote(1)).toBe(0)
    for (const chunk of [0, 1]) expect(Buffer.compare(region.read(chunk * 65_536, 65_536), text)).toBe(0)
    expect(arena.counters).toMatchObject({ demoted: 1, demandRestores: 2 })
  })

  it("all of a chunk written over needs no restore", async () => {
    using arena = await open()
    const region = arena.region(chunkBytes)
    region.write(0, makeBytes("text", chunkBytes, random(3)))
    region.compress(0)
    region.write(0, makeBytes("noise", chunkBytes, random(4)))
    expect(arena.counters).toMatchObject({ overwritten: 1, demandRestores: 0 })
    expect(Buffer.compare(region.read(0, chunkBytes), makeBytes("noise", chunkBytes, random(4)))).toBe(0)
    expect(arena.stats().pool.payloadBytes).toBe(0)
  })

  it("a chunk restored early counts as used or as wasted", async () => {
    using arena = await open()
    const region = arena.region(2 * chunkBytes)
    for (const chunk of [0, 1]) {
      region.write(chunk * chunkBytes, makeBytes("text", chunkBytes, random(chunk + 1)))
      region.compress(chunk)
      expect(region.restoreEarly(chunk)).toBe(true)
      expect(region.restoreEarly(chunk)).toBe(false)
    }
    region.read(0, 1)
    region.read(0, 1)
    region.compress(1)
    expect(arena.counters).toMatchObject({ earlyRestores: 2, earlyUsed: 1, earlyWasted: 1, demandRestores: 0 })
  })
})

describe("a compressor elsewhere", () => {
  const started = async () => {
    const arena = await open()
    const region = arena.region(2 * chunkBytes)
    const text = makeBytes("text", chunkBytes, random(3))
    region.write(0, text)
    const job = region.begin(0)
    if (typeof job === "string") return expect.unreachable()
    const compressed = new Uint8Array(chunkBytes)
    const length = arena.codec.compress(region.snapshot(job), compressed)
    return { arena, region, text, job, compressed: compressed.subarray(0, length) }
  }

  it("is given a chunk that stays readable as it is", async () => {
    const { arena, compressed, job, region, text } = await started()
    expect(region.state(0)).toBe("compressing")
    expect(region.compress(0)).toBe("left")
    expect(region.finish(job, compressed)).toBe("compressed")
    expect(Buffer.compare(region.read(0, chunkBytes), text)).toBe(0)
    arena.close()
  })

  it("loses against a write, a read and a view, even when the chunk has begun again", async () => {
    for (const touch of ["write", "read", "view", "again"] as const) {
      const { arena, compressed, job, region, text } = await started()
      if (touch === "read") region.read(5, 1)
      else if (touch === "view") region.withView(5, 1, (bytes) => bytes.fill(1))
      else region.write(5, new Uint8Array([1]))
      const again = touch === "again" ? region.begin(0) : undefined
      expect(region.finish(job, compressed)).toBe("left")
      expect(arena.counters.dropped).toBe(1)
      expect(region.state(0)).toBe(touch === "again" ? "compressing" : "raw")
      if (again !== undefined && typeof again !== "string") region.abandon(again)
      expect(region.state(0)).toBe("raw")
      expect(region.read(5, 1)[0]).toBe(touch === "read" ? text[5] : 1)
      arena.close()
    }
  })

  it("may finish after its arena has been closed, whose memory stays until then", async () => {
    let closed = 0
    const memory: OffHeapMemory = {
      kind: "buffers",
      reserve: (unitBytes, units) => {
        const reserved = buffers.reserve(unitBytes, units)
        return { ...reserved, close: () => (closed++, reserved.close()) }
      }
    }
    const arena = await open({ memory })
    const region = arena.region(2 * chunkBytes)
    region.write(0, makeBytes("text", 2 * chunkBytes, random(3)))
    const jobs = [region.begin(0), region.begin(1)]
    arena.close()
    expect(closed).toBe(0)
    const [first, second] = jobs
    if (typeof first !== "object" || typeof second !== "object") return expect.unreachable()
    expect(region.finish(first, new Uint8Array(10))).toBe("left")
    expect(closed).toBe(0)
    region.abandon(second)
    expect(closed).toBe(1)
    expect(arena.stats().pool.payloadBytes).toBe(0)
  })
})

describe("damage and want", () => {
  it("a damaged chunk is an error that names it, each time, until it is written anew", async () => {
    using arena = await open()
    const region = arena.region(3 * chunkBytes, "cache")
    const text = makeBytes("text", chunkBytes, random(3))
    region.write(2 * chunkBytes, text)
    region.compress(2)
    region.payloadForTest(2)![100]! ^= 1
    for (const use of [
      () => region.read(2 * chunkBytes, 1),
      () => region.write(2 * chunkBytes, new Uint8Array(3)),
      () => region.restoreEarly(2)
    ]) {
      const error = failure(use)
      expect(error).toMatchObject({ region: "cache", chunk: 2, reason: { _tag: "Corrupted" } })
      expect(error.message).toMatch(/^region cache, chunk 2: its compressed bytes are damaged .* write it anew$/)
      expect(region.state(2)).toBe("compressed")
    }
    expect(arena.counters.corrupted).toBe(3)
    region.write(2 * chunkBytes, text)
    expect(Buffer.compare(region.read(2 * chunkBytes, chunkBytes), text)).toBe(0)
  })

  it("a codec that gives wrong bytes of the right checksum is found by their length", async () => {
    using arena = await open({
      codec: {
        name: "broken",
        compress: () => 40,
        decompress: () => {
          throw new Error("40 are too few")
        }
      }
    })
    const region = arena.region(chunkBytes, "cache")
    region.write(0, new Uint8Array([1, 2, 3]))
    expect(region.compress(0)).toBe("compressed")
    expect(failure(() => region.read(0, 1)).message).toContain("40 are too few")
  })

  it("without memory to restore into, the error says so and nothing is lost", async () => {
    let isShort = false
    const memory: OffHeapMemory = {
      kind: "buffers",
      reserve: (unitBytes, units) => {
        const reserved = buffers.reserve(unitBytes, units)
        const bytes = (unit: number, start?: number, end?: number): Uint8Array => {
          if (isShort) throw new ArenaError({ reason: { _tag: "NoMemory", bytes: unitBytes } })
          return reserved.bytes(unit, start, end)
        }
        return { ...reserved, bytes }
      }
    }
    using arena = await open({ memory })
    const region = arena.region(2 * chunkBytes, "cache")
    const text = makeBytes("text", chunkBytes, random(3))
    region.write(0, text)
    region.compress(0)
    isShort = true
    expect(failure(() => region.read(0, 1))).toMatchObject({ region: "cache", chunk: 0, reason: { _tag: "NoMemory" } })
    expect(region.state(0)).toBe("compressed")
    isShort = false
    expect(Buffer.compare(region.read(0, chunkBytes), text)).toBe(0)
  })

  it("without memory to compress into, the chunk stays raw", async () => {
    let isShort = false
    const memory: OffHeapMemory = {
      kind: "buffers",
      reserve: (unitBytes, units) => {
        if (isShort) throw new ArenaError({ reason: { _tag: "NoMemory", bytes: unitBytes } })
        return buffers.reserve(unitBytes, units)
      }
    }
    using arena = await open({ memory })
    const region = arena.region(chunkBytes)
    const text = makeBytes("text", chunkBytes, random(3))
    region.write(0, text)
    isShort = true
    expect(region.compress(0)).toBe("full")
    expect(Buffer.compare(region.read(0, chunkBytes), text)).toBe(0)
    isShort = false
    expect(region.compress(0)).toBe("compressed")
  })
})
