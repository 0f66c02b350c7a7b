/** Both kinds of memory, against one suite; that RSS falls, where there is FFI. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { buffers, loadMemory } from "../src/index.ts"

const best = await loadMemory()
const unitBytes = 65_536

describe.each([...new Set([best, buffers])])("$kind", (memory) => {
  it("gives zeros, keeps what is written, and gives zeros again after a release", () => {
    const reserved = memory.reserve(unitBytes, 4)
    expect(reserved.bytes(2).every((byte) => byte === 0)).toBe(true)
    reserved.bytes(2).fill(7)
    reserved.populate(3)
    expect(reserved.bytes(2, 10, 12)).toEqual(new Uint8Array([7, 7]))
    expect(reserved.bytes(1)[0]).toBe(0)
    expect(reserved.bytes(3)[0]).toBe(0)
    reserved.release(2)
    expect(reserved.bytes(2).every((byte) => byte === 0)).toBe(true)
    reserved.close()
  })

  it("lends the same memory, and detaches it when it is taken back", () => {
    const reserved = memory.reserve(unitBytes, 2)
    reserved.bytes(1).fill(1)
    const lent = new Uint8Array(reserved.lend(1))
    expect(reserved.lend(1)).toBe(lent.buffer)
    lent[5] = 9
    expect(reserved.bytes(1)[5]).toBe(9)
    reserved.takeBack(1)
    expect(lent.length).toBe(0)
    expect(reserved.bytes(1)[5]).toBe(9)
    const again = new Uint8Array(reserved.lend(1))
    expect(again[5]).toBe(9)
    reserved.close()
  })

  it("says that there is no memory", () => {
    const tooMuch = () => {
      const reserved = memory.reserve(2 ** 50, 1)
      try {
        reserved.bytes(0)
      } finally {
        reserved.close()
      }
    }
    expect(tooMuch).toThrow(expect.objectContaining({ _tag: "ArenaError", reason: { _tag: "NoMemory", bytes: 2 ** 50 } }))
  })
})

const rssBytes = (): number => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024

describe.runIf(best.kind === "mmap" && process.platform === "linux")("mmap", () => {
  it("gives memory back to the system when a unit is released", () => {
    const units = 512
    const reserved = best.reserve(unitBytes, units)
    for (let unit = 0; unit < units; unit++) reserved.bytes(unit).fill(1)
    const full = rssBytes()
    for (let unit = 0; unit < units; unit += 2) reserved.release(unit)
    const half = rssBytes()
    reserved.close()
    const none = rssBytes()
    const size = unitBytes * units
    // Whatever else the process does meanwhile is far less than 8 MiB.
    expect(full - half).toBeGreaterThan(size / 2 - 2 ** 23)
    expect(half - none).toBeGreaterThan(size / 2 - 2 ** 23)
  })

  it("detaches everything when it is closed", () => {
    const reserved = best.reserve(unitBytes, 2)
    const [inside, lent] = [reserved.bytes(0), new Uint8Array(reserved.lend(1))]
    reserved.close()
    expect([inside.length, lent.length]).toEqual([0, 0])
  })
})
