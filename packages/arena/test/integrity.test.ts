/** A random user beside a plain copy: not a byte may differ. The long form, with a real thread, is `bench/integrity.ts`. */
import { describe, expect, it } from "vitest"
import { buffers, loadMemory } from "../src/index.ts"
import { Shadow } from "./support/Shadow.ts"

const best = await loadMemory()

describe.each([...new Set([best, buffers])])("on $kind", (memory) => {
  it.each([1, 2, 3])("seed %i: 20,000 operations, no wrong byte", async (seed) => {
    const chunkBytes = seed === 3 ? 16_384 : 4096
    const shadow = await Shadow.open({ memory, seed, chunkBytes, codec: seed === 2 ? "lz4-wasm" : "lz4", regions: 3, chunks: 40 })
    for (let i = 0; i < 20_000; i++) shadow.step()
    shadow.check()
    expect(shadow.wrongBytes).toBe(0)
    const { corrupted, demandRestores, dropped, earlyWasted, overwritten, poolFull } = shadow.arena.counters
    // It has really been everywhere.
    for (const count of [corrupted, demandRestores, dropped, earlyWasted, overwritten, poolFull]) expect(count).toBeGreaterThan(0)
    const everything = "begin cap compact compress damage demote discard finish read renew restoreEarly shortage view write writeChunk"
    expect(Object.keys(shadow.done).toSorted().join(" ")).toBe(everything)
    expect(shadow.close()).toBe(0)
  })
})
