import type { Observation } from "@wmo/monitors"
import { assert, describe, it } from "vitest"
import { examine, firstHealth } from "../src/slo/Health.ts"
import { anObservation } from "../src/testing.ts"

const mib = 2 ** 20
const limits = { promotions: 2, pressure: 0.1 }

/** Generations: lower and upper age in seconds, MiB. */
const generations = (...bins: ReadonlyArray<readonly [number, number, number]>): Observation => {
  const usage = { ...anObservation().usage, currentBytes: 300 * mib }
  const ages = bins.map(([lower, upper, size]) => ({ lowerMs: lower * 1000, upperMs: upper * 1000, anonBytes: size * mib, fileBytes: 0 }))
  return anObservation({ usage, pageAge: { source: "mglru", bins: ages } })
}

describe("the working set", () => {
  const told = generations([0, 9, 4], [9, 100, 153], [100, Infinity, 2])
  const joined = generations([0, 21, 12], [21, Infinity, 147])
  const known = examine(firstHealth(told), told, 1000, limits, true)

  it("is what was used within two minutes", () => {
    assert.strictEqual(known.workingSetBytes, 157 * mib)
  })

  it("is remembered for some time where the kernel has joined generations, and then is what they tell", () => {
    const soon = examine(known, joined, 10_000, limits, true)
    assert.isAbove(soon.workingSetBytes, 140 * mib)
    assert.isAbove(soon.allowedPages, 0.9 * known.allowedPages)
    const later = examine(soon, joined, 600_000, limits, true)
    assert.strictEqual(later.workingSetBytes, 12 * mib)
  })
})
