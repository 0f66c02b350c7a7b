import { assert, describe, it } from "vitest"
import { ask, leaveAlone, noRemnant } from "../src/slo/Remnant.ts"

const mib = 2 ** 20
const asked = (bytes: number, coldBytes: number) => ask(noRemnant, bytes, coldBytes)

describe("what does not go when it is asked for", () => {
  it("is left alone for a minute", () => {
    const left = leaveAlone(asked(0.7 * mib, 0.7 * mib), 0.7 * mib, 0, 1000)
    assert.strictEqual(left.bytes, 0.7 * mib)
    assert.strictEqual(leaveAlone(left, 0.7 * mib, undefined, 60_000).bytes, 0.7 * mib)
    assert.strictEqual(leaveAlone(left, 0.7 * mib, undefined, 61_000).bytes, 0)
  })

  it("does not keep the rest: of much that is cold, only what one request in vain says something of", () => {
    const left = leaveAlone(asked(mib, 188 * mib), 190 * mib, 0, 0)
    assert.strictEqual(left.bytes, 64 * mib)
    assert.strictEqual(leaveAlone(ask(left, 2 * mib, 190 * mib), 190 * mib, 0, 1000).bytes, 190 * mib)
  })

  it("is not what has gone, though most of it stays in memory compressed, and generations were made anew meanwhile", () => {
    assert.strictEqual(leaveAlone(asked(mib, 188 * mib), 190 * mib, 0.43 * mib, 0).bytes, 0)
    assert.strictEqual(leaveAlone(asked(mib, 188 * mib), 187 * mib, 0, 0).bytes, 0)
  })
})
