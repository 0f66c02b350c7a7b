/** The controller in virtual time: what goes cold is compressed, what is expected is restored before, and nothing costs more than it may. */
import { afterAll, describe, expect, it, onTestFinished } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import {
  type Arena,
  type ArenaOptions,
  attempt,
  type Codec,
  controlArena,
  type ControllerOptions,
  type Decision,
  loadCodec,
  loadMemory,
  none,
  OffHeap,
  openArena,
  type PredictorKind,
  type Region,
  scopedView
} from "../src/index.ts"
import { adaptColdAge } from "../src/controller/coldAge.ts"
import { CpuBudget } from "../src/controller/CpuBudget.ts"
import { DecisionLog } from "../src/controller/Decision.ts"
import { ownPressurePercent } from "../src/controller/ownPressure.ts"
import { defaultSettings } from "../src/controller/Settings.ts"
import { makeBytes, random } from "./support/data.ts"

const chunkBytes = 4096
const lz4 = await loadCodec("lz4-wasm")

/** Costs are counted, not measured: a chunk compressed or restored takes `costMs`. */
const counted = (costMs: number) => {
  let spent = 0
  const codec: Codec = {
    name: lz4.name,
    compress: (source, target) => ((spent += costMs), lz4.compress(source, target)),
    decompress: (source, target) => ((spent += costMs), lz4.decompress(source, target))
  }
  return { codec, meter: () => spent }
}

const setUp = Effect.fnUntraced(function* (
  options: Partial<ControllerOptions> = {},
  arenaOptions: ArenaOptions = {},
  chunks = 64,
  costMs = 0.01
) {
  const arena = yield* openArena({ chunkBytes, ...counted(costMs), ...arenaOptions })
  const region = arena.region(chunks * chunkBytes, "cache")
  const source = random(1)
  for (let chunk = 0; chunk < chunks; chunk++) region.write(chunk * chunkBytes, makeBytes("text", chunkBytes, source))
  // The pressure of the machine that runs the tests is nothing to them.
  const controller = yield* controlArena(arena, { predictor: none, pressurePercent: () => undefined, ...options })
  return { arena, region, controller }
})

const run = <A, E>(body: Effect.Effect<A, E, OffHeap | import("effect").Scope.Scope>) =>
  body.pipe(Effect.scoped, Effect.provide(Layer.fresh(OffHeap.layerBuffers)))

const touchAll = (region: Region): void => {
  for (let chunk = 0; chunk < region.chunks; chunk++) region.read(chunk * region.chunkBytes, 1)
}

describe("compression", () => {
  it.effect("takes what has been cold for its age, and leaves what is used", () =>
    run(
      Effect.gen(function* () {
        const { arena, controller, region } = yield* setUp({ settings: { coldMs: 1000, leastColdMs: 1000 } })
        yield* TestClock.adjust(900)
        expect(region.compressedChunks).toBe(0)
        for (let chunk = 0; chunk < 16; chunk++) region.read(chunk * chunkBytes, 1)
        yield* TestClock.adjust(200)
        expect(region.compressedChunks).toBe(48)
        expect(region.state(0)).toBe("raw")
        yield* TestClock.adjust(1000)
        expect(region.compressedChunks).toBe(64)
        expect(arena.stats().rawBytes).toBe(0)
        const { reason } = controller.decisions().find(({ loop }) => loop === "compression")!
        expect(reason).toBe("48 chunks idle for 1.00 s compressed")
      })
    )
  )

  it.effect("spends no more CPU than it may, and pays back what it overdrew", () =>
    run(
      Effect.gen(function* () {
        const settings = { coldMs: 100, cpuPercent: 2 }
        const { controller, region } = yield* setUp({ settings }, {}, 2000, 1)
        // Filling took no time of the budget; one chunk costs 1 ms, 20 of which may be spent in a second.
        yield* TestClock.adjust(1100)
        const first = region.compressedChunks
        expect(first).toBeGreaterThanOrEqual(18)
        expect(first).toBeLessThanOrEqual(24)
        yield* TestClock.adjust(10_000)
        expect(region.compressedChunks - first).toBeGreaterThanOrEqual(190)
        expect(region.compressedChunks - first).toBeLessThanOrEqual(210)
        expect(controller.status().compressMs).toBe(region.compressedChunks)
        yield* controller.change({ cpuPercent: 0 })
        yield* TestClock.adjust(100)
        const stopped = region.compressedChunks
        yield* TestClock.adjust(5000)
        expect(region.compressedChunks).toBe(stopped)
      })
    )
  )

  it.effect("tries incompressible chunks once; at rest they cost nothing", () =>
    run(
      Effect.gen(function* () {
        const { arena, controller, region } = yield* setUp({ settings: { coldMs: 100 } })
        const source = random(9)
        for (let chunk = 0; chunk < 64; chunk++) region.write(chunk * chunkBytes, makeBytes("noise", chunkBytes, source))
        yield* TestClock.adjust(1000)
        expect(arena.counters.incompressible).toBe(64)
        const { compressMs } = controller.status()
        yield* TestClock.adjust(60_000)
        expect(arena.counters.incompressible).toBe(64)
        expect(controller.status().compressMs).toBe(compressMs)
      })
    )
  )

  it.effect("moves the coldest to the smaller tier", () =>
    run(
      Effect.gen(function* () {
        const { arena, controller } = yield* setUp({ settings: { coldMs: 500, coldestMs: 5000 } }, { coldCodec: "zstd-5" })
        yield* TestClock.adjust(4000)
        const before = arena.stats().pool.payloadBytes
        expect(arena.counters.demoted).toBe(0)
        yield* TestClock.adjust(2000)
        expect(arena.counters.demoted).toBe(64)
        expect(arena.stats().pool.payloadBytes).toBeLessThan(before)
        expect(controller.decisions().some(({ reason }) => reason.includes("in the coldest tier"))).toBe(true)
      })
    )
  )

  it.effect("says that the pool is full, and goes on when it is larger", () =>
    run(
      Effect.gen(function* () {
        const { arena, controller, region } = yield* setUp({ settings: { coldMs: 100 } }, { poolBytes: 40_000 })
        yield* TestClock.adjust(1000)
        const some = region.compressedChunks
        expect(some).toBeGreaterThan(0)
        expect(some).toBeLessThan(64)
        const { heldBytes, warmBytes } = arena.stats().pool
        expect(heldBytes - warmBytes).toBeLessThanOrEqual(40_000)
        expect(controller.decisions().at(-1)!.reason).toContain("the pool's 39.1 KiB are full")
        arena.poolBytes = 1_000_000
        yield* TestClock.adjust(1000)
        expect(region.compressedChunks).toBe(64)
      })
    )
  )

  it.effect("gives back what lies between slots", () =>
    run(
      Effect.gen(function* () {
        const chunks = 4000
        const { arena, controller, region } = yield* setUp({ settings: { coldMs: 100, cpuPercent: 100, leastColdMs: 100 } }, {}, chunks, 0)
        yield* TestClock.adjust(3000)
        expect(region.compressedChunks).toBe(chunks)
        yield* controller.change({ coldMs: 60_000, leastColdMs: 60_000 })
        const before = arena.stats().pool
        for (let chunk = 0; chunk < chunks; chunk++) if (chunk % 8 !== 0) region.read(chunk * chunkBytes, 1)
        yield* TestClock.adjust(1000)
        const { heldBytes, slotBytes, warmBytes } = arena.stats().pool
        expect(slotBytes).toBeLessThan(before.slotBytes / 7)
        expect(heldBytes - slotBytes - warmBytes).toBeLessThan(2 ** 20)
        yield* TestClock.adjust(10_000)
        expect(arena.stats().pool.warmBytes).toBe(0)
        expect(controller.decisions().some(({ reason }) => reason.includes("lay between slots, 20 % may"))).toBe(true)
      })
    )
  )

  it.effect("watches regions that come later, and forgets those that go", () =>
    run(
      Effect.gen(function* () {
        const { arena, controller, region } = yield* setUp({ settings: { coldMs: 100 } })
        const later = arena.region(4 * chunkBytes, "later")
        later.write(0, makeBytes("text", 4 * chunkBytes, random(2)))
        yield* TestClock.adjust(500)
        expect(later.compressedChunks).toBe(4)
        expect(controller.status().regions.map(({ name }) => name)).toEqual(["cache", "later"])
        region.free()
        yield* TestClock.adjust(100)
        expect(controller.status().regions.map(({ name }) => name)).toEqual(["later"])
        // Many regions may be small: what is known of one must be, too.
        expect(controller.status().metadataBytes).toBeLessThan(2048)
      })
    )
  )
})

describe("prefetch", () => {
  /** Says each time that the whole region is used at a multiple of `everyMs`. */
  const clockwork = (everyMs: number): PredictorKind => ({
    name: "clockwork",
    summary: "",
    make: ({ chunks }) => ({
      name: "clockwork",
      bytes: 0,
      observe: () => {},
      hint: () => {},
      predict: (nowMs) => {
        const atMs = (Math.floor(nowMs / everyMs) + 1) * everyMs
        return [{ chunk: 0, stride: 1, count: chunks, atMs, stepMs: 0, spreadMs: 0, confidence: 1 }]
      },
      explain: () => `every ${everyMs} ms`
    })
  })

  it.effect("restores just before, so that nobody waits; and keeps it until then", () =>
    run(
      Effect.gen(function* () {
        const settings = { coldMs: 300, leastColdMs: 300, horizonMs: 2000 }
        const { arena, controller, region } = yield* setUp({ settings, predictor: clockwork(1000) })
        for (let burst = 0; burst < 5; burst++) {
          yield* TestClock.adjust(900)
          expect(region.compressedChunks).toBe(64)
          yield* TestClock.adjust(100)
          expect(region.compressedChunks).toBe(0)
          touchAll(region)
        }
        const { measures, tally } = controller.status().regions[0]!
        expect(arena.counters.demandRestores).toBe(0)
        expect(tally).toMatchObject({ inTime: 320, late: 0, wasted: 0, early: 0, needed: 320 })
        expect(measures).toMatchObject({ accuracy: 1, coverage: 1, pollution: 0 })
        expect(controller.decisions().some(({ loop, reason }) => loop === "prefetch" && reason.endsWith("every 1000 ms"))).toBe(true)
      })
    )
  )

  it.effect("counts as wasted what nobody uses, once it is cold again", () =>
    run(
      Effect.gen(function* () {
        const settings = { coldMs: 200, leastColdMs: 200 }
        const { arena, controller, region } = yield* setUp({ settings, predictor: clockwork(1000) })
        yield* TestClock.adjust(1000)
        expect(region.compressedChunks).toBe(0)
        yield* TestClock.adjust(600)
        expect(region.compressedChunks).toBe(64)
        expect(controller.status().regions[0]).toMatchObject({ tally: { wasted: 64, inTime: 0 }, measures: { pollution: 1 } })
        expect(arena.counters.earlyWasted).toBe(64)
      })
    )
  )

  it.effect("keeps raw what would be cold by the time that it is expected", () =>
    run(
      Effect.gen(function* () {
        const settings = { coldMs: 995, leastColdMs: 995, compressTickMs: 1 }
        const { arena, controller, region } = yield* setUp({ settings, predictor: clockwork(1000) })
        yield* TestClock.adjust(1000)
        touchAll(region)
        expect(arena.counters.compressed).toBe(0)
        expect(controller.status().regions[0]!.tally).toMatchObject({ inTime: 64, needed: 64, predicted: 64 })
      })
    )
  )

  it.effect("a damaged chunk is left for its reader, and the loop goes on", () =>
    run(
      Effect.gen(function* () {
        const { controller, region } = yield* setUp({ settings: { coldMs: 300 }, predictor: clockwork(1000) })
        yield* TestClock.adjust(900)
        region.payloadForTest(7)![10]! ^= 1
        yield* TestClock.adjust(100)
        expect(region.compressedChunks).toBe(1)
        expect(
          controller.decisions().some(({ reason }) => reason.startsWith("region cache, chunk 7: its compressed bytes are damaged"))
        ).toBe(true)
        const error = yield* Effect.flip(attempt(() => region.read(7 * chunkBytes, 1)))
        expect(error).toMatchObject({ chunk: 7, reason: { _tag: "Corrupted" } })
      })
    )
  )

  it.effect("hints reach the predictor", () =>
    run(
      Effect.gen(function* () {
        const hints: Array<number> = []
        const predictor: PredictorKind = { ...none, make: (region) => ({ ...none.make(region), hint: (atMs) => void hints.push(atMs) }) }
        const { region } = yield* setUp({ predictor })
        yield* TestClock.adjust(250)
        region.activeSoon()
        expect(hints).toEqual([250])
      })
    )
  )
})

describe("the cold age", () => {
  it("grows with waiting, falls without, faster under pressure, within its bounds", () => {
    const at = (stallPercent: number, pressurePercent?: number, coldMs = 1000) =>
      adaptColdAge(coldMs, { stallPercent, pressurePercent }, defaultSettings)?.coldMs
    expect(at(0.6)).toBe(1500)
    expect(at(0.4)).toBeUndefined()
    expect(at(0.1)).toBe(950)
    expect(at(0.1, 5)).toBe(700)
    expect(at(0.6, 5)).toBe(1500)
    expect(at(10, undefined, 50_000)).toBe(60_000)
    expect(at(10, undefined, 60_000)).toBeUndefined()
    expect(at(0, undefined, 100)).toBeUndefined()
    expect(adaptColdAge(1000, { stallPercent: 3, pressurePercent: undefined }, defaultSettings)!.reason).toBe(
      "waited 3.00 % of the time for restores, 0.5 % may be → cold after 1.50 s, before 1.00 s"
    )
  })

  it.effect("follows what readers wait for", () =>
    run(
      Effect.gen(function* () {
        // 64 restores of 1 ms in a second are 6.4 % of the time.
        const { controller, region } = yield* setUp({ settings: { coldMs: 200, cpuPercent: 100 } }, {}, 64, 1)
        yield* TestClock.adjust(900)
        touchAll(region)
        yield* TestClock.adjust(200)
        expect(controller.status()).toMatchObject({ coldMs: 300 })
        // It looks between 1 s and 1.5 s after it did last.
        expect(controller.status().stallPercent).toBeGreaterThan(4.2)
        expect(controller.status().stallPercent).toBeLessThanOrEqual(6.4)
        yield* TestClock.adjust(3000)
        expect(controller.status().coldMs).toBeLessThan(300)
      })
    )
  )
})

describe("settings", () => {
  it.effect("that make no sense are refused in one line, at the start and later", () =>
    run(
      Effect.gen(function* () {
        const { controller } = yield* setUp()
        const refused = (changes: Parameters<typeof controller.change>[0]) => Effect.flip(controller.change(changes))
        expect((yield* refused({ cpuPercent: 101 })).message).toBe("arena: cpuPercent: 101 is not between 0 and 100")
        expect((yield* refused({ leastColdMs: 1e6 })).message).toBe("arena: leastColdMs: 1000000 is more than mostColdMs, 60000")
        expect((yield* Effect.flip(setUp({ settings: { sliceMs: Number.NaN } }))).message).toContain("sliceMs: NaN is not between")
      })
    )
  )
})

describe("a codec thread", () => {
  const compressed = (region: Region) => Effect.sleep(5).pipe(Effect.repeat({ until: () => region.compressedChunks === region.chunks }))

  it.live("compresses what is cold; what is written meanwhile is what is read", () =>
    run(
      Effect.gen(function* () {
        const settings = { coldMs: 10, leastColdMs: 10, compressTickMs: 1, cpuPercent: 100 }
        const { arena, controller, region } = yield* setUp(
          { settings, compressOn: "thread" },
          { codec: "lz4-wasm", meter: () => performance.now() },
          256
        )
        expect(controller.status().isThreaded).toBe(true)
        const source = random(5)
        for (let round = 0; round < 50; round++) {
          const bytes = makeBytes("text", 100, source)
          const offset = source.below(region.bytes - 100)
          region.write(offset, bytes)
          yield* Effect.sleep(1)
          expect(Buffer.compare(region.read(offset, 100), bytes)).toBe(0)
        }
        yield* compressed(region)
        expect(arena.stats().rawBytes).toBe(0)
        expect(controller.status().compressMs).toBeGreaterThan(0)
      })
    )
  )

  it.live("that cannot have the codec leaves the work to this one", () =>
    run(
      Effect.gen(function* () {
        const codec: Codec = { ...lz4, name: "known-here-only" }
        const settings = { coldMs: 10, leastColdMs: 10, cpuPercent: 100 }
        const { controller, region } = yield* setUp({ settings, compressOn: "thread" }, { codec, meter: () => performance.now() })
        expect(controller.status().isThreaded).toBe(false)
        yield* compressed(region)
      })
    )
  )
})

describe.runIf((await loadMemory()).kind === "mmap" && availableParallelism() > 1)("where the codec runs by default", () => {
  it.live("is this thread, until compressing has cost as much as a thread does", () =>
    Effect.gen(function* () {
      const settings = { coldMs: 10, leastColdMs: 10, cpuPercent: 100, compressTickMs: 1 }
      const decisions: Array<string> = []
      const options = { settings, onDecision: ({ reason }: { readonly reason: string }) => decisions.push(reason) }
      const { controller, region } = yield* setUp(options, {}, 64, 800)
      expect(controller.status().isThreaded).toBe(false)
      yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => controller.status().isThreaded }))
      expect(region.compressedChunks).toBeLessThan(region.chunks)
      expect(decisions.filter((reason) => reason.endsWith("it has a thread of its own from now on"))).toHaveLength(1)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(OffHeap.layer)))
  )

  it.live("stays this thread where that is said", () =>
    Effect.gen(function* () {
      const settings = { coldMs: 10, leastColdMs: 10, cpuPercent: 100, compressTickMs: 1 }
      const { controller } = yield* setUp({ settings, compressOn: "slices" }, {}, 4, 800)
      yield* Effect.sleep(5).pipe(Effect.repeat({ until: () => controller.status().compressMs > 700 }))
      yield* Effect.sleep(50)
      expect(controller.status().isThreaded).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(Layer.fresh(OffHeap.layer)))
  )
})

describe("what is recorded", () => {
  const directory = mkdtempSync(join(tmpdir(), "arena-decisions-"))
  afterAll(() => rmSync(directory, { recursive: true }))

  it.effect("is every decision and every change, as a line of JSON each", () =>
    Effect.gen(function* () {
      const file = join(directory, "decisions.jsonl")
      const seen: Array<Decision> = []
      yield* run(
        Effect.gen(function* () {
          const { controller } = yield* setUp({ recordTo: file, onDecision: (decision) => seen.push(decision) }, {}, 4)
          yield* controller.change({ coldMs: 300, cpuPercent: 20 })
          yield* TestClock.adjust(3000)
        })
      )
      const lines = readFileSync(file, "utf8").trimEnd().split("\n")
      expect(lines.map((line) => JSON.parse(line))).toEqual(seen)
      expect(seen[0]).toEqual({ atMs: 0, loop: "settings", reason: "coldMs is 300, cpuPercent is 20 from now on" })
      expect(seen.map(({ loop }) => loop)).toContain("compression")
    })
  )

  it.effect("needs a file that can be written", () =>
    run(
      Effect.gen(function* () {
        const recordTo = join(directory, "no", "such", "folder")
        const { message } = yield* Effect.flip(setUp({ recordTo }))
        expect(message).toBe(`arena: recordTo: ${recordTo} cannot be written (ENOENT)`)
      })
    )
  )
})

describe("pressure", () => {
  const line = (percent: string) => `some avg10=${percent} avg60=0.00 avg300=0.00 total=1\n`
  const tree = (files: Readonly<Record<string, string>>) => {
    const root = mkdtempSync(join(tmpdir(), "arena-psi-"))
    onTestFinished(() => rmSync(root, { recursive: true }))
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    return { proc: join(root, "proc"), cgroups: join(root, "cgroup") }
  }

  it("is that of the process's own cgroup, else of the machine, else unknown", () => {
    const own = { "proc/self/cgroup": "0::/app.slice/app\n", "cgroup/app.slice/app/memory.pressure": line("12.50") }
    expect(ownPressurePercent(tree({ ...own, "proc/pressure/memory": line("3.00") }))).toBe(12.5)
    expect(ownPressurePercent(tree({ "proc/self/cgroup": "0::/gone\n", "proc/pressure/memory": line("3.00") }))).toBe(3)
    expect(ownPressurePercent(tree({ "proc/self/cgroup": "4:memory:/old\n" }))).toBeUndefined()
    expect(ownPressurePercent(tree({ ...own, "cgroup/app.slice/app/memory.pressure": "none\n" }))).toBeUndefined()
  })
})

describe("parts", () => {
  it("a budget is a share of the time, saved for a second at most, and debts are paid back", () => {
    const budget = new CpuBudget(0)
    expect(budget.available(100, 10)).toBe(10)
    budget.spend(25)
    expect(budget.available(200, 10)).toBe(0)
    expect(budget.available(300, 10)).toBe(5)
    expect(budget.available(1e6, 10)).toBe(100)
  })

  it("the log keeps the last 256, oldest first", () => {
    const log = new DecisionLog()
    for (let at = 0; at < 300; at++) log.add({ atMs: at, loop: "hotness", reason: "" })
    const recent = log.recent()
    expect([recent.length, recent[0]!.atMs, recent.at(-1)!.atMs, log.total]).toEqual([256, 44, 299, 300])
  })

  it.effect("a scoped view ends with its scope; an arena closes with its own", () =>
    run(
      Effect.gen(function* () {
        let kept: Arena | undefined
        const bytes = yield* Effect.scoped(
          Effect.gen(function* () {
            const arena = yield* openArena({ chunkBytes })
            kept = arena
            const region = arena.region(chunkBytes)
            return (yield* scopedView(region, 0, 10)).bytes
          })
        )
        expect(bytes.length).toBe(0)
        expect((yield* Effect.flip(attempt(() => kept!.region(1)))).reason._tag).toBe("Closed")
      })
    )
  )
})
