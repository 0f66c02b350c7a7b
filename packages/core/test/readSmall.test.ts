import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { cpuMsOf, decodeSmall, processStat, readSmall } from "../src/index.ts"

describe("small files of the kernel", () => {
  let directory = ""
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "wmo-small-"))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it("are read whole, one after the other", () => {
    writeFileSync(join(directory, "long"), "a longer text\n")
    writeFileSync(join(directory, "short"), "x\n")
    expect(readSmall(join(directory, "long"))).toBe("a longer text\n")
    expect(readSmall(join(directory, "short"))).toBe("x\n")
  })

  it("are cut off at 64 KiB", () => {
    writeFileSync(join(directory, "large"), "y".repeat(70_000))
    expect(readSmall(join(directory, "large")).length).toBe(65_536)
  })

  it("may hold names in any script, and bytes that are none", () => {
    writeFileSync(join(directory, "name"), "0::/größe\n")
    expect(readSmall(join(directory, "name"))).toBe("0::/größe\n")
    writeFileSync(join(directory, "bytes"), Uint8Array.of(0xff, 0x41))
    expect(readSmall(join(directory, "bytes"))).toBe("\ufffdA")
  })

  it("take no buffer of their own (regression: 64 KiB for each)", () => {
    readSmall("/proc/self/stat")
    const before = process.memoryUsage().arrayBuffers
    for (let n = 0; n < 32; n++) readSmall("/proc/self/stat")
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024)
  })

  it("are decoded, or are undefined: CPU time of a process, whatever its name is", () => {
    const file = join(directory, "stat")
    writeFileSync(file, "12 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 7 5 90 90 20 0 1 0 100 4096 1\n")
    expect(cpuMsOf(decodeSmall(file, processStat)!)).toBe(120)
    writeFileSync(file, "12 (a ) b) S 1\n")
    expect(decodeSmall(file, processStat)).toBeUndefined()
    expect(decodeSmall(join(directory, "none"), processStat)).toBeUndefined()
  })

  it("fail as `fs` does where there is none", () => {
    expect(() => readSmall(join(directory, "none"))).toThrow(/ENOENT/)
  })
})
