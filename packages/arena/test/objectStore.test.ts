/** The object store beside a Map; what it gives back; damage. */
import { describe, expect, it } from "vitest"
import { Arena, ArenaError, buffers, ObjectStore, type Region } from "../src/index.ts"
import { kinds, makeBytes, random } from "./support/data.ts"

const open = () => Arena.open({ memory: buffers, chunkBytes: 4096 })

const compressAll = (arena: Arena): void => {
  for (const region of arena.regions) for (let chunk = 0; chunk < region.chunks; chunk++) region.compress(chunk)
}

describe("ObjectStore", () => {
  it("is a Map of byte strings, whatever is compressed meanwhile", async () => {
    using arena = await open()
    const store = new ObjectStore(arena)
    const map = new Map<string, Uint8Array>()
    const source = random(4)
    for (let step = 0; step < 20_000; step++) {
      const key = `key-${source.below(800)}`
      const dice = source.below(10)
      if (dice < 4) {
        const length = source.below(50) === 0 ? source.below(20_000) : source.below(600)
        const value = makeBytes(kinds[source.below(kinds.length)]!, length, source)
        store.set(key, value)
        map.set(key, value)
      } else if (dice < 6) expect(store.delete(key)).toBe(map.delete(key))
      else {
        const expected = map.get(key)
        const value = store.get(key)
        expect(value === undefined).toBe(expected === undefined)
        if (value !== undefined) expect(Buffer.compare(value, expected!)).toBe(0)
      }
      if (step % 2000 === 0) compressAll(arena)
    }
    expect([...store.keys()].toSorted()).toEqual([...map.keys()].toSorted())
    const { objects, slotBytes, valueBytes } = store.stats()
    expect([objects, valueBytes]).toEqual([map.size, [...map.values()].reduce((sum, { length }) => sum + length, 0)])
    expect(slotBytes).toBeGreaterThanOrEqual(valueBytes)
    store.close()
    expect(arena.stats()).toMatchObject({ logicalBytes: 0, regions: [] })
  })

  it("holds values of any length, the empty one too, and says what is not there", async () => {
    using arena = await open()
    const store = new ObjectStore(arena)
    for (const length of [0, 1, 4095, 4096, 4097, 100_000]) {
      const value = makeBytes("text", length, random(length + 1))
      store.set("key", value)
      expect(Buffer.compare(store.get("key")!, value)).toBe(0)
    }
    expect(store.size).toBe(1)
    expect(store.has("key")).toBe(true)
    expect(store.get("other")).toBeUndefined()
    expect(store.delete("other")).toBe(false)
    expect(store.delete("key")).toBe(true)
    expect(store.has("key")).toBe(false)
  })

  it("gives slabs back that have become empty", async () => {
    using arena = await open()
    const store = new ObjectStore(arena)
    const value = makeBytes("noise", 1000, random(1))
    for (let i = 0; i < 2000; i++) store.set(`${i}`, value)
    const full = arena.stats().logicalBytes
    for (let i = 0; i < 1900; i++) store.delete(`${i}`)
    expect(arena.stats().logicalBytes).toBeLessThan(full / 8)
    expect(Buffer.compare(store.get("1950")!, value)).toBe(0)
  })

  it("a value in a damaged chunk is an error that names it; others, and new values, are not harmed", async () => {
    using arena = await open()
    const store = new ObjectStore(arena)
    const value = makeBytes("text", 300, random(1))
    for (let i = 0; i < 100; i++) store.set(`${i}`, value)
    compressAll(arena)
    const region: Region = [...arena.regions][0]!
    region.payloadForTest(0)![20]! ^= 1
    const errors = Array.from({ length: 100 }, (_, i) => {
      try {
        return Buffer.compare(store.get(`${i}`)!, value) === 0 ? "right" : "wrong"
      } catch (problem) {
        return problem instanceof ArenaError && problem.chunk === 0 ? problem.reason._tag : "other"
      }
    })
    expect(new Set(errors)).toEqual(new Set(["right", "Corrupted"]))
    for (let i = 0; i < 100; i++) store.delete(`${i}`)
    for (let i = 0; i < 100; i++) store.set(`${i}`, value)
    for (let i = 0; i < 100; i++) expect(Buffer.compare(store.get(`${i}`)!, value)).toBe(0)
  })
})
