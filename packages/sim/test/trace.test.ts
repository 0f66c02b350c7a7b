/** Page traces: what is written is what is read, what is replayed is what was recorded, and what is damaged is refused. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { gunzipSync, gzipSync } from "node:zlib"
import {
  decodeTrace,
  encodeTrace,
  findSimScenario,
  heatToTrace,
  type PageTrace,
  recordTrace,
  replayTrace,
  type TaskProgram,
  type TraceTick,
  TraceWriter
} from "../src/index.ts"
import { withGroups, workload } from "./harness.ts"

const pageSet = fc.uniqueArray(fc.nat(300), { maxLength: 40 }).map((numbers) => Uint32Array.from(numbers).toSorted())

const tick = fc.record({ freedAnon: pageSet, freedFile: pageSet, anon: pageSet, file: pageSet, writtenFile: pageSet })

const trace = fc
  .record({
    source: fc.string(),
    tickMs: fc.integer({ min: 1, max: 100_000 }),
    ticks: fc.array(tick, { maxLength: 6 }),
    seed: fc.nat(4096)
  })
  .map(({ seed, source, tickMs, ticks }) => {
    const writer = new TraceWriter(source, tickMs)
    for (const one of ticks) writer.tick(one)
    return { trace: writer.finish((page) => (page * seed) % 4097), ticks }
  })

const contents = (of: PageTrace) => ({
  source: of.source,
  tickMs: of.tickMs,
  anonPages: of.anonPages,
  filePages: of.filePages,
  compressedBytes: [...of.compressedBytes],
  ticks: [...of.read()].map(plain)
})

const plain = (one: TraceTick) => Object.fromEntries(Object.entries(one).map(([name, pages]) => [name, [...(pages as Uint32Array)]]))

const record = (make: () => ReturnType<typeof workload>, seconds: number, limitBytes?: number): PageTrace => {
  const sim = withGroups({ seed: 5, zswap: {} })
  if (limitBytes !== undefined) sim.kernel.cgroups.group("demo").limits.max = limitBytes
  sim.addWorkload("demo", make())
  return recordTrace(sim, "demo", { ticks: seconds, tickMs: 1000, source: "test" })
}

describe("page traces", () => {
  it("are read as they were written, through a file and without", () => {
    fc.assert(
      fc.property(trace, ({ ticks, trace: written }) => {
        assert.deepStrictEqual([...written.read()].map(plain), ticks.map(plain))
        assert.deepStrictEqual(contents(decodeTrace(encodeTrace(written))), contents(written))
      }),
      { numRuns: 200, seed: 1 }
    )
  })

  it("never come out of damaged bytes as something else than an error or a trace", () => {
    const { trace: example } = fc.sample(trace, { numRuns: 20, seed: 2 }).find(({ ticks }) => ticks.length > 3)!
    const bytes = gunzipSync(encodeTrace(example))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = Uint8Array.from(bytes)
        damaged[at] = value
        try {
          for (const one of decodeTrace(gzipSync(damaged)).read())
            for (const pages of Object.values(one)) assert.isAtMost(pages.length, 2 ** 20)
        } catch (error) {
          assert.match(
            (error as Error).message,
            /^(it is (not )?a page trace|its (header has no|compressed lengths are damaged)|tick \d+ is damaged|it goes on after)/
          )
        }
      }),
      { numRuns: 300, seed: 3 }
    )
  })

  it("say what is wrong with a file that is none", () => {
    assert.throws(() => decodeTrace(new TextEncoder().encode("hello")), /not gzip/)
    assert.throws(() => decodeTrace(gzipSync("hello\n")), /first line is not JSON/)
    assert.throws(() => decodeTrace(gzipSync('{"format":"wmo-page-trace","version":9}\n')), /version 9; this program reads version 1/)
    const header = '{"format":"wmo-page-trace","version":1,"tick_ms":1000,"ticks":1,"anon_pages":1e15,"file_pages":0}\n'
    assert.throws(() => decodeTrace(gzipSync(header)), /header has no anon_pages that can be/)
    const cut = encodeTrace(new TraceWriter("x", 1000).finish(() => 0))
    assert.throws(() => decodeTrace(cut.subarray(0, cut.length - 4)), /cut off/)
  })
})

/** Anonymous and file pages; accesses that differ by the second; frees, of pages just accessed and of others, which come back. */
const lively: TaskProgram = function* ({ nowMs, random }) {
  for (let second = 0; ; second++) {
    for (let i = 0; i < 8; i++) yield { _tag: "Touch", first: random.nextBelow(60), pages: 1, count: 1, order: "sequential", thinkUs: 5 }
    const first = 64 + random.nextBelow(30)
    yield { _tag: "Touch", first, pages: 5, count: 5, order: "sequential", thinkUs: 5, isWrite: second % 2 === 0 }
    if (second % 3 === 0) yield { _tag: "Free", first: random.nextBelow(50), pages: 4 }
    if (second % 4 === 0) yield { _tag: "Free", first: 64 + random.nextBelow(30), pages: 4 }
    yield { _tag: "Sleep", us: (second + 1) * 1e6 + 50_000 - nowMs() * 1000 }
  }
}
const livelyWorkload = () => workload(64, [lively], { filePages: 40, load: [{ first: 10, pages: 40 }] })

describe("recording and replay", () => {
  it("a replay, recorded again, is the same trace", () => {
    const first = record(livelyWorkload, 40)
    assert.isAbove(
      [...first.read()].reduce((sum, { freedAnon, writtenFile }) => sum + freedAnon.length * writtenFile.length, 0),
      0
    )
    const again = record(() => replayTrace(first), 40)
    assert.deepStrictEqual({ ...contents(again), source: "" }, { ...contents(first), source: "" })
  })

  it("a limit that pushes pages out leaves no mark in the trace", () => {
    const free = record(livelyWorkload, 40)
    const limited = record(livelyWorkload, 40, 48 * 4096)
    // Only what is clean, and so what a write makes dirty, is the machine's doing.
    const accesses = (of: PageTrace) => contents(of).ticks.map((tick) => ({ ...tick, writtenFile: [] }))
    assert.deepStrictEqual(accesses(limited), accesses(free))
  })

  it("a replay takes as much memory as its original", () => {
    const memory = (make: () => ReturnType<typeof workload>) => {
      const sim = withGroups({ seed: 9 })
      sim.addWorkload("demo", make())
      return Array.from({ length: 20 }, () => {
        sim.advance(1000)
        return sim.group("demo").currentBytes() / 4096
      })
    }
    const make = () => findSimScenario("server")!.make()
    const original = memory(make)
    const sim = withGroups({ seed: 9 })
    sim.addWorkload("demo", make())
    const replayed = memory(() => replayTrace(recordTrace(sim, "demo", { ticks: 21, tickMs: 1000, source: "server" })))
    original.forEach((pages, second) => assert.approximately(replayed[second]!, pages, 0.02 * pages, `second ${second}`))
  })
})

describe("heat to trace", () => {
  const mib = 2n ** 20n
  const frames = Array.from({ length: 5 }, (_, second) => ({
    atMs: 10_000 + second * 1000,
    samples: 20,
    regions: [
      { start: 16n * mib, end: 17n * mib, accesses: 20 },
      { start: 17n * mib, end: 18n * mib, accesses: second === 2 ? 1 : 0 },
      { start: 64n * mib, end: 65n * mib, accesses: second === 4 ? 20 : 0 }
    ]
  }))

  it("what was always in use is accessed in every tick, what was now and then by its odds, file by its mapping", () => {
    const converted = heatToTrace(frames, { source: "damon", fileRanges: [{ start: 60n * mib, end: 70n * mib }] })
    const ticks = [...converted.read()]
    assert.deepStrictEqual(
      ticks.map(({ anon, file }) => [anon.length > 255, file.length]),
      [
        [true, 0],
        [true, 0],
        [true, 0],
        [true, 0],
        [true, 256]
      ]
    )
    assert.strictEqual(ticks[0]!.anon.length, 256)
    // Found once in twenty samples: 1 - 0.95^20 = 64 % of the pages.
    assert.approximately(ticks[2]!.anon.length - 256, 0.64 * 256, 30)
    assert.deepStrictEqual(
      contents(heatToTrace(frames, { source: "damon", fileRanges: [{ start: 60n * mib, end: 70n * mib }] })),
      contents(converted)
    )
  })

  it("leaves out what is outside of the wanted addresses, and refuses nothing", () => {
    const part = heatToTrace(frames, { source: "damon", within: { start: 16n * mib, end: 16n * mib + 8192n } })
    assert.strictEqual(part.anonPages, 2)
    assert.throws(() => heatToTrace([], { source: "damon" }), /no heat frames/)
  })
})
