/** Every codec, against one suite: what comes out is what went in, small targets are refused, damaged input is an error. */
import { describe, expect, it } from "vitest"
import { type Codec, loadCodec } from "../src/index.ts"
import { kinds, makeBytes, random } from "./support/data.ts"

const lz4Native = await loadCodec("lz4-native").catch(() => undefined)
const codecs: ReadonlyArray<Codec> = [
  ...(await Promise.all(["lz4", "lz4-wasm", "zstd", "zstd-1", "zstd--5", "zstd-19", "none"].map(loadCodec))),
  ...(lz4Native === undefined ? [] : [lz4Native])
]

describe.each(codecs)("$name", (codec) => {
  it.each(kinds)("gives back %s", (kind) => {
    for (const length of kind === "records" && codec.name !== "zstd-19" ? [4096, 1_048_576] : [4096, 65_536]) {
      const original = makeBytes(kind, length, random(length))
      const target = new Uint8Array(length * 1.1)
      const written = codec.compress(original, target)
      expect(written).toBeGreaterThan(0)
      const back = new Uint8Array(length)
      codec.decompress(target.subarray(0, written), back)
      expect(Buffer.compare(back, original)).toBe(0)
      expect(codec.compress(original, new Uint8Array(written))).toBe(written)
      expect(codec.compress(original, new Uint8Array(written - 1))).toBe(0)
    }
  })

  it("refuses another length, and a piece of what was compressed", () => {
    const original = makeBytes("text", 4096, random(7))
    const target = new Uint8Array(8192)
    const written = codec.compress(original, target)
    expect(() => codec.decompress(target.subarray(0, written), new Uint8Array(4095))).toThrow()
    expect(() => codec.decompress(target.subarray(0, written), new Uint8Array(4104))).toThrow()
    expect(() => codec.decompress(target.subarray(0, written - 3), new Uint8Array(4096))).toThrow()
  })

  it("survives noise in place of compressed bytes", () => {
    const source = random(3)
    for (let round = 0; round < 50; round++) {
      const noise = makeBytes("noise", 1 + source.below(500), source)
      // Noise may happen to be valid for `none` only when the lengths agree, which they never do here.
      expect(() => codec.decompress(noise, new Uint8Array(4096))).toThrow()
    }
  })
})

describe("loadCodec", () => {
  it.each(["zstd-20", "zstd-0", "zstd--8", "no-such-codec", "node:path"])("says why there is no %s", async (name) => {
    await expect(loadCodec(name)).rejects.toMatchObject({ _tag: "ArenaError", reason: { _tag: "UnknownCodec", name } })
    await expect(loadCodec(name)).rejects.toThrow(/built in are lz4/)
  })

  it("loads a codec from a module", async () => {
    const module = `data:text/javascript,export default { name: "mine", compress: () => 0, decompress: () => {} }`
    expect((await loadCodec(module)).name).toBe("mine")
  })
})
