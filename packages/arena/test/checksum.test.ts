/** The checksum: whichever this machine has, it says the same of the same bytes, and notices every flipped bit tried. */
import { expect, it } from "vitest"
import { loadChecksum } from "../src/pool/checksum.ts"
import { makeBytes, random } from "./support/data.ts"

it("is a number of 32 bits that depends on every byte, wherever the bytes are", async () => {
  const checksum = await loadChecksum()
  const source = random(3)
  for (const length of [1, 16, 17, 240, 241, 1000, 4096, 65_536]) {
    const bytes = makeBytes("mixed", length, source)
    const sum = checksum(bytes)
    expect(Number.isInteger(sum) && sum >= 0 && sum < 2 ** 32).toBe(true)
    const elsewhere = new Uint8Array(length + 3)
    elsewhere.set(bytes, 3)
    expect(checksum(elsewhere.subarray(3))).toBe(sum)
    for (let flip = 0; flip < 200; flip++) {
      const at = source.below(length)
      const bit = 1 << source.below(8)
      bytes[at]! ^= bit
      expect(checksum(bytes)).not.toBe(sum)
      bytes[at]! ^= bit
    }
  }
})
