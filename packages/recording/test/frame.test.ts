/** The compact columns: what goes in comes out, whatever it is. Seeded. */
import { assert, describe, it } from "vitest"
import type { HeatRegion, Sample, SampleValue } from "../src/Entry.ts"
import { FrameDecoder, FrameEncoder, type Values } from "../src/Frame.ts"
import { decodeRegions, encodeRegions } from "../src/heatBlob.ts"
import { addExact, ByteReader, ByteWriter, type Exact, exact, subtractExact } from "../src/varint.ts"
import { makeRandom, type Random } from "./random.ts"

const interesting: ReadonlyArray<Exact> = [
  0,
  1,
  127,
  128,
  16_383,
  16_384,
  2 ** 32,
  2 ** 49 - 1,
  2 ** 49,
  2 ** 51,
  2 ** 52 + 1,
  Number.MAX_SAFE_INTEGER,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n
]

describe("varint", () => {
  it("keeps every integer, at the edges of each length, of either sign", () => {
    const writer = new ByteWriter()
    for (const value of interesting) {
      writer.unsigned(value)
      writer.signed(value)
      writer.signed(exact(-BigInt(value)))
    }
    const reader = new ByteReader(writer.view())
    for (const value of interesting) {
      assert.strictEqual(reader.unsigned(), value)
      assert.strictEqual(reader.signed(), value)
      // Zero has one sign in a recording.
      assert.strictEqual(reader.signed(), value === 0 ? 0 : exact(-BigInt(value)))
    }
    assert.isTrue(reader.isAtEnd)
    assert.throws(() => reader.unsigned(), /ends in the middle/)
  })

  it("differences and sums are exact", () => {
    for (const a of interesting) for (const b of interesting) assert.strictEqual(addExact(b, subtractExact(a, b)), a)
  })

  it("lengths are written before what they measure, however long that is", () => {
    for (const size of [0, 1, 127, 128, 16_383, 16_384, 100_000]) {
      const writer = new ByteWriter()
      writer.unsigned(7)
      writer.sized(() => {
        for (let i = 0; i < size; i++) writer.unsigned(i % 128)
      })
      writer.unsigned(9)
      const reader = new ByteReader(writer.view())
      assert.strictEqual(reader.small(), 7)
      assert.strictEqual(reader.small(), size)
      for (let i = 0; i < size; i++) assert.strictEqual(reader.small(), i % 128)
      assert.strictEqual(reader.small(), 9)
    }
  })
})

const value = (random: Random): SampleValue => {
  switch (random.below(8)) {
    case 0:
      return undefined
    case 1:
      return interesting[random.below(interesting.length)]
    case 2:
      return -1 - random.below(1000)
    case 3:
      return BigInt(random.below(1000))
    default:
      return random.below(2 ** 31)
  }
}

/** Metric arrays of several shapes, with some names in common. */
const shapes = [["a", "b", "c"], ["c", "a"], ["d"], ["e", "d", "c", "b", "a"], []]

describe("frames", () => {
  it("a thousand frames of subjects that come, go, rest, change and lose values read as they were written", () => {
    const random = makeRandom(42)
    const names: Array<string> = []
    const metricId = (name: string) => (names.includes(name) ? names.indexOf(name) + 1 : names.push(name))
    const encoder = new FrameEncoder(metricId)
    const decoder = new FrameDecoder(
      (id) => names[id - 1]!,
      () => true
    )
    const shown = new Map<number, Values>()
    const truth = new Map<number, { metrics: ReadonlyArray<string>; values: Array<SampleValue> }>()
    for (let n = 0; n < 1000; n++) {
      const isFull = n === 0 || random.below(20) === 0
      encoder.begin(isFull)
      if (isFull) shown.clear()
      for (let id = 1; id <= 12; id++) {
        const fate = random.below(10)
        const known = truth.get(id)
        if (fate === 0) {
          if (known !== undefined) encoder.remove(id)
          truth.delete(id)
          continue
        }
        const now =
          known === undefined || fate === 1
            ? (() => {
                const metrics = shapes[random.below(shapes.length)]!
                return { metrics, values: metrics.map(() => value(random)) }
              })()
            : fate < 5
              ? known
              : { metrics: known.metrics, values: known.values.map((old) => (random.below(2) === 0 ? old : value(random))) }
        truth.set(id, now)
        const sample: Sample = { subject: { kind: "cgroup", name: String(id) }, ...now }
        encoder.add(id, sample, random.below(3) === 0)
      }
      decoder.apply(encoder.frame().slice(), isFull, (id, values) => {
        if (values === undefined) shown.delete(id)
        else shown.set(id, values)
      })
      const expected = [...truth].map(([id, { metrics, values }]) => [
        id,
        Object.fromEntries(metrics.flatMap((name, i) => (values[i] === undefined ? [] : [[name, exact(values[i])]])))
      ])
      assert.deepStrictEqual(
        new Map([...shown].toSorted(([a], [b]) => a - b)),
        new Map(expected.toSorted(([a], [b]) => Number(a) - Number(b)) as any)
      )
    }
  })

  it("what is no integer is stored as one, or as unknown", () => {
    const encoder = new FrameEncoder((name) => name.charCodeAt(0))
    encoder.begin(true)
    encoder.add(1, { subject: { kind: "k", name: "n" }, metrics: ["a", "b", "c", "d"], values: [1.6, NaN, Infinity, 1e300] }, false)
    const seen: Array<Values | undefined> = []
    new FrameDecoder(
      (id) => String.fromCharCode(id),
      () => true
    ).apply(encoder.frame(), true, (_id, values) => seen.push(values))
    assert.strictEqual(seen[0]!["a"], 2)
    assert.notProperty(seen[0], "b")
    assert.notProperty(seen[0], "c")
  })

  it("a subject that rests takes no bytes", () => {
    const encoder = new FrameEncoder((name) => name.charCodeAt(0))
    const sample: Sample = { subject: { kind: "k", name: "n" }, metrics: ["a"], values: [5] }
    encoder.begin(true)
    encoder.add(1, sample, false)
    encoder.begin(false)
    encoder.add(1, sample, false)
    assert.strictEqual(encoder.frame().length, 0)
    encoder.add(1, sample, true)
    assert.strictEqual(encoder.frame().length, 3)
  })

  it("a damaged frame is an error, not an endless loop", () => {
    const random = makeRandom(3)
    for (let i = 0; i < 2000; i++) {
      const bytes = Uint8Array.from({ length: random.below(40) }, () => random.below(256))
      const decoder = new FrameDecoder(String, () => true)
      try {
        decoder.apply(bytes, true, () => undefined)
      } catch (error) {
        assert.match((error as Error).message, /ends in the middle/)
      }
    }
  })
})

describe("heat", () => {
  it("regions of any 64-bit address space come back", () => {
    const random = makeRandom(11)
    for (let i = 0; i < 200; i++) {
      const regions: Array<HeatRegion> = []
      let at = 0n
      for (let n = random.below(50); n > 0; n--) {
        const start = at + BigInt(random.below(2 ** 31)) * (random.below(5) === 0 ? 2n ** 25n : 1n)
        at = start + 4096n * BigInt(1 + random.below(1000))
        if (at < 2n ** 64n) regions.push({ start, end: at, accesses: random.below(21), age: random.below(100_000) })
      }
      assert.deepStrictEqual(decodeRegions(encodeRegions(regions)), regions)
    }
    const last = { start: 2n ** 64n - 4096n, end: 2n ** 64n - 1n, accesses: 0, age: 0 }
    assert.deepStrictEqual(decodeRegions(encodeRegions([last])), [last])
  })

  it("regions that overlap are refused", () => {
    const region = (start: bigint, end: bigint) => ({ start, end, accesses: 0, age: 0 })
    assert.throws(() => encodeRegions([region(0n, 10n), region(5n, 20n)]), /overlaps/)
  })
})
