import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { formatBytes, formatDuration, parseBytes, parseDuration, printBytes, printDuration } from "../src/index.ts"

const seed = 20261121

describe("sizes", () => {
  it("reads them as people write them", () => {
    const cases: Record<string, number> = {
      "4096": 4096,
      "64M": 2 ** 26,
      "64mb": 2 ** 26,
      "1.5GiB": 1.5 * 2 ** 30,
      " 2 g ": 2 ** 31,
      "0": 0,
      "1P": 2 ** 50
    }
    for (const [text, bytes] of Object.entries(cases)) assert.strictEqual(Result.getOrThrow(parseBytes(text)), bytes, text)
    for (const text of ["", "M", "-1", "1X", "1e3", "1,5G", "99999999999P"]) assert.isTrue(Result.isFailure(parseBytes(text)), text)
  })

  it("prints three digits, never scientific", () => {
    const cases: ReadonlyArray<readonly [number, string]> = [
      [0, "0 B"],
      [1023, "1023 B"],
      [1024, "1.00 KiB"],
      [12 * 1024, "12.0 KiB"],
      [419 * 2 ** 20, "419 MiB"],
      [1.5 * 2 ** 30, "1.50 GiB"],
      [2 ** 30 - 1, "1.00 GiB"],
      [-(2 ** 20), "-1.00 MiB"],
      [2 ** 70, "1024 EiB"]
    ]
    for (const [bytes, text] of cases) assert.strictEqual(formatBytes(bytes), text)
  })

  it("reads back what it printed, within half a per cent", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 50), (bytes) => {
        const back = Result.getOrThrow(parseBytes(formatBytes(bytes)))
        assert.isAtMost(Math.abs(back - bytes), bytes * 0.0051)
      }),
      { seed, numRuns: 2000 }
    )
  })
})

describe("durations", () => {
  it("reads them with a unit, or several", () => {
    const cases: Record<string, number> = {
      "500ms": 500,
      "1.5s": 1500,
      "2m30s": 150_000,
      "1h": 3_600_000,
      "250us": 0.25,
      "250 µs": 0.25,
      "5 min": 300_000,
      "1d": 86_400_000
    }
    for (const [text, ms] of Object.entries(cases)) assert.strictEqual(Result.getOrThrow(parseDuration(text)), ms, text)
    for (const text of ["", "5", "s", "-1s", "1 fortnight"]) assert.isTrue(Result.isFailure(parseDuration(text)), text)
  })

  it("moves to the next unit where rounding reaches it (regression: 999.7 ms printed 1000 ms, 59.97 s printed 60.0 s)", () => {
    const cases: ReadonlyArray<readonly [number, string]> = [
      [0.25, "250 µs"],
      [0.9999, "1.00 ms"],
      [12, "12.0 ms"],
      [999.7, "1.00 s"],
      [4500, "4.50 s"],
      [59_970, "1 m 0 s"],
      [150_000, "2 m 30 s"],
      [3_660_000, "1 h 1 m"],
      [Infinity, "∞"]
    ]
    for (const [ms, text] of cases) assert.strictEqual(formatDuration(ms), text)
  })
})

describe("printing for records", () => {
  it("is what the parsers read back, exactly", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), fc.integer({ min: 0, max: 4 }), (amount, unit) => {
        const bytes = Math.min(amount * 1024 ** unit, Number.MAX_SAFE_INTEGER)
        assert.strictEqual(Result.getOrThrow(parseBytes(printBytes(bytes))), bytes)
        assert.strictEqual(Result.getOrThrow(parseDuration(printDuration(amount))), amount)
      }),
      { seed: 1, numRuns: 2000 }
    )
    assert.strictEqual(printBytes(64 * 2 ** 20), "64M")
    assert.strictEqual(printDuration(90_000), "90s")
    assert.strictEqual(printDuration(120_000), "2m")
  })
})
