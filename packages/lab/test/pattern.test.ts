/** Where the known-pattern workload says that its memory is, it is: on malloc's heap and in mappings of its own, while others come and go. */
import { randomBytes } from "node:crypto"
import { closeSync, openSync, readSync } from "node:fs"
import { assert, it } from "vitest"
import { addressOf } from "../src/workloads/pattern.ts"

it("finds every buffer, whatever malloc did with it", () => {
  const kept: Array<Buffer> = []
  const mem = openSync("/proc/self/mem", "r")
  try {
    for (let turn = 0; turn < 60; turn++) {
      const memory = Buffer.allocUnsafeSlow(2 ** 20 + (turn % 7) * 8192 + (turn % 5) * 2 ** 19)
      const address = addressOf(memory)
      const written = randomBytes(64)
      written.copy(memory)
      const there = Buffer.alloc(written.length)
      readSync(mem, there, 0, there.length, address)
      assert.isTrue(there.equals(written), `turn ${turn}`)
      // Every third lives on for a while, so that freed and used memory lie side by side.
      if (turn % 3 === 0) kept.push(memory)
      if (kept.length > 8) kept.shift()
    }
  } finally {
    closeSync(mem)
  }
})
