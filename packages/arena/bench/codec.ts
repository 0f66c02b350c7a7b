/**
 * What the arena adds to its codec. Run: `node bench/codec.ts [PART] [--codec NAME] [--mib N]`, all parts by default.
 * Codecs beside each other are `wmo arena codecs`. throughput: compressing through the
 * arena as a share of the bare codec's. thread: CPU of a chunk on this thread, in slices and with a codec thread. demand: p99 of reading a
 * compressed chunk against decompressing alone. incompressible: CPU at rest of a controller over noise (N MiB, 1024 by default).
 */
import { Effect } from "effect"
import {
  Arena,
  controlArena,
  defaultSettings,
  findPredictor,
  loadCodec,
  loadMemory,
  openThreadCompressor,
  sampleData
} from "../src/index.ts"
import { makeBytes, random } from "../test/support/data.ts"

const which = process.argv.slice(2).find((word) => /^[a-z]+$/.test(word)) ?? "all"
const noiseMiB = Number(process.argv[process.argv.indexOf("--mib") + 1] || 1024) || 1024
const named = process.argv.indexOf("--codec")
const codecNames = named < 0 ? undefined : [process.argv[named + 1]!]
const memory = await loadMemory()
const mib = 2 ** 20
const rounds = 10
/** Chunks handed to a codec thread together, as the controller does. */
const jobsAtOnce = 64
/** Of 4 KiB; fewer of larger chunks. */
const demandReads = 60_000

const kinds = ["json", "records", "binary"] as const
/** Some of each. */
const mixed = Buffer.concat(kinds.map((kind, at) => sampleData(kind, 8 * mib, at + 1)))

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const percentile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1]!
const line = (...cells: ReadonlyArray<string | number>): void =>
  console.log(
    cells
      .map((cell, at) =>
        String(cell)
          .padStart(at === 0 ? 0 : 12)
          .padEnd(12)
      )
      .join("")
  )

/** Grows whenever somebody else takes the core: a time across that says nothing. */
const disturbances = (): number => process.resourceUsage().involuntaryContextSwitches

/** Times that nobody disturbed, if there are as many; else all of them. */
const enough = 20

/** Megabytes per second of `bytes` each time, by the median; and the median share of one in the other, each pair taken within milliseconds. */
const speed = (
  pairs: ReadonlyArray<readonly [bareMs: number, arenaMs: number]>,
  bytes: number
): readonly [bare: number, arena: number, share: number] => [
  bytes / median(pairs.map(([bareMs]) => bareMs)) / 1000,
  bytes / median(pairs.map(([, arenaMs]) => arenaMs)) / 1000,
  median(pairs.map(([bareMs, arenaMs]) => bareMs / arenaMs))
]

const throughput = async (): Promise<void> => {
  line("chunk KiB", "codec", "bare MB/s", "arena MB/s", "share %")
  for (const codecName of codecNames ?? ["lz4", "lz4-wasm", "zstd"]) {
    for (const chunkBytes of [4096, 16_384, 65_536, 262_144]) {
      const codec = await loadCodec(codecName)
      const arena = await Arena.open({ memory, chunkBytes, codec })
      const region = arena.region(mixed.length)
      const target = new Uint8Array(arena.keepRawAboveBytes)
      const batch = mib / chunkBytes
      const pairs: Array<readonly [number, number]> = []
      const quiet: Array<readonly [number, number]> = []
      for (let round = 0; round < rounds; round++) {
        region.write(0, mixed)
        // In turns, a mebibyte at a time, so that whatever else the machine does falls on both.
        for (let first = 0; first < region.chunks; first += batch) {
          const before = disturbances()
          const started = performance.now()
          for (let chunk = first; chunk < first + batch; chunk++)
            codec.compress(mixed.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes), target)
          const between = performance.now()
          for (let chunk = first; chunk < first + batch; chunk++) region.compress(chunk)
          region.settle()
          const pair = [between - started, performance.now() - between] as const
          pairs.push(pair)
          if (disturbances() === before) quiet.push(pair)
        }
      }
      const [bare, through, share] = speed(quiet.length < enough ? pairs : quiet, mib)
      line(chunkBytes / 1024, codec.name, ...[bare, through, 100 * share].map((value) => value.toFixed(0)))
      arena.close()
    }
  }
}

/** CPU in ms, of this thread (counted in ticks, so over a while only) and of the whole program. */
const cpuMs = (): readonly [here: number, all: number] => {
  const [here, all] = [process.threadCpuUsage(), process.cpuUsage()]
  return [(here.user + here.system) / 1000, (all.user + all.system) / 1000]
}

const thread = async (): Promise<void> => {
  line("chunk KiB", "codec", "opening ms", "slices µs", "thread: here", "of it %", "all µs", "of it %")
  for (const codecName of codecNames ?? ["lz4", "zstd"]) {
    for (const chunkBytes of [4096, 16_384, 65_536, 262_144]) {
      const codec = await loadCodec(codecName)
      const arena = await Arena.open({ memory, chunkBytes, codec })
      const [, closed] = cpuMs()
      const compressor = await openThreadCompressor(codec.name)
      const openingMs = cpuMs()[1] - closed
      const region = arena.region(mixed.length)
      const byThread = async (): Promise<void> => {
        for (let first = 0; first < region.chunks; first += jobsAtOnce) {
          const chunks = Array.from({ length: Math.min(jobsAtOnce, region.chunks - first) }, (_, at) => first + at)
          const jobs = chunks.map((chunk) => region.begin(chunk)).filter((begun) => typeof begun !== "string")
          const { done, results } = await compressor.run(jobs, chunkBytes, arena.keepRawAboveBytes)
          jobs.forEach((job, at) => region.finish(job, results[at]))
          done()
          region.settle()
        }
      }
      const inSlices = async (): Promise<void> => {
        for (let chunk = 0; chunk < region.chunks; chunk++) region.compress(chunk)
        region.settle()
      }
      const [slices, elsewhere] = [inSlices, byThread].map((how) => ({ how, here: 0, all: 0 }))
      for (let round = 0; round < rounds; round++) {
        for (const way of [slices!, elsewhere!]) {
          region.write(0, mixed)
          const [here, all] = cpuMs()
          await way.how()
          const [hereAfter, allAfter] = cpuMs()
          way.here += hereAfter - here
          way.all += allAfter - all
        }
      }
      const each = (ms: number): string => ((ms * 1000) / rounds / region.chunks).toFixed(1)
      const share = (of: "here" | "all"): string => ((100 * elsewhere![of]) / slices![of]).toFixed(0)
      const cells = [openingMs.toFixed(0), each(slices!.here), each(elsewhere!.here), share("here"), each(elsewhere!.all), share("all")]
      line(chunkBytes / 1024, codec.name, ...cells)
      await compressor.close()
      arena.close()
    }
  }
}

/** A time in µs, if nobody else had the core meanwhile. */
const undisturbed = (run: () => void): number | undefined => {
  const before = disturbances()
  const started = performance.now()
  run()
  const us = (performance.now() - started) * 1000
  return disturbances() === before ? us : undefined
}

/** p99 of each of twenty stretches, of which the median: a second in which the machine was busy elsewhere is one stretch. */
const steadyP99 = (values: ReadonlyArray<number>): number => {
  const stretch = Math.ceil(values.length / 20)
  return median(
    Array.from({ length: 20 }, (_, at) => percentile(values.slice(at * stretch, (at + 1) * stretch), 0.99)).filter(Number.isFinite)
  )
}

/** Chunks that are raw for a while before they are compressed again. */
const lingering = 32

const demand = async (): Promise<void> => {
  line("chunk KiB", "codec", "bare p50 µs", "p99 µs", "+fault p50", "p99 µs", "read p50 µs", "p99 µs", "p99 ratio")
  for (const codecName of codecNames ?? ["lz4", "lz4-wasm"]) {
    for (const chunkBytes of [4096, 16_384, 65_536, 262_144]) {
      const codec = await loadCodec(codecName)
      const arena = await Arena.open({ memory, chunkBytes, codec })
      const region = arena.region(mixed.length)
      const { chunks } = region
      // The bare codec has its payloads at rest too, and writes to memory that is there, or (with the fault) that is not.
      const payloads = memory.reserve(chunkBytes, chunks)
      const targets = memory.reserve(chunkBytes, 2 * lingering)
      const lengths = Array.from({ length: chunks }, (_, chunk) =>
        codec.compress(mixed.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes), payloads.bytes(chunk))
      )
      for (let unit = 0; unit < lingering; unit++) targets.bytes(unit).fill(1)
      region.write(0, mixed)
      for (let chunk = 0; chunk < chunks; chunk++) region.compress(chunk)
      const few = new Uint8Array(64)
      const restored: Array<number> = []
      const times: readonly [bare: Array<number>, fault: Array<number>, read: Array<number>] = [[], [], []]
      const source = random(3)
      const bareInto = (unit: number): (() => void) => {
        const chunk = source.below(chunks)
        const length = lengths[chunk]!
        return () => {
          const target = targets.bytes(unit)
          if (length > 0) codec.decompress(payloads.bytes(chunk, 0, length), target)
          few.set(target.subarray(0, few.length))
        }
      }
      for (let turn = 0; turn < demandReads / (chunkBytes / 4096); turn++) {
        const chunk = source.below(chunks)
        if (region.state(chunk) !== "compressed") continue
        const cold = lingering + (turn % lingering)
        targets.release(cold)
        const reads = [bareInto(turn % lingering), bareInto(cold), () => region.readInto(chunk * chunkBytes, few)]
        reads.forEach((read, at) => {
          const us = undisturbed(read)
          if (us !== undefined) times[at]!.push(us)
        })
        // As a controller does every ten milliseconds.
        if (turn % 100 === 0) arena.prepare(defaultSettings.readyBytes)
        restored.push(chunk)
        // As much is compressed as is restored, a little later.
        if (restored.length > lingering) region.compress(restored.shift()!)
      }
      const figures = times.flatMap((values) => [percentile(values, 0.5), steadyP99(values)])
      line(chunkBytes / 1024, codec.name, ...figures.map((us) => us.toFixed(1)), (figures[5]! / figures[1]!).toFixed(2))
      payloads.close()
      targets.close()
      arena.close()
    }
  }
}

/** CPU of all of this process in percent of one core, second by second: the median, so that a garbage collection is not taken for a habit. */
const cpuPercentOver = async (seconds: number): Promise<number> => {
  const percents: Array<number> = []
  for (let second = 0; second < seconds; second++) {
    const before = process.cpuUsage()
    const started = performance.now()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const { system, user } = process.cpuUsage(before)
    percents.push((user + system) / 10 / (performance.now() - started))
  }
  return median(percents)
}

const incompressible = async (): Promise<void> => {
  line("MiB", "chunk KiB", "first look s", "tried once", "at rest CPU %", "without it %", "predicting %", "looking %")
  const idle = await cpuPercentOver(5)
  const noise = makeBytes("noise", 16 * mib, random(1))
  for (const chunkBytes of [65_536, 4096]) {
    const arena = await Arena.open({ memory, chunkBytes })
    const region = arena.region(noiseMiB * mib)
    // No two chunks alike: else they would be duplicates of one that is kept raw all the same.
    for (let at = 0; at < region.bytes; at += noise.length) region.write(at, noise.subarray(0, Math.min(noise.length, region.bytes - at)))
    const settings = { coldMs: 500, cpuPercent: 50 }
    const program = Effect.gen(function* () {
      const controller = yield* controlArena(arena, { predictor: findPredictor("tournament")!, settings })
      const started = performance.now()
      while (arena.counters.incompressible < region.chunks) yield* Effect.sleep(50)
      const firstMs = performance.now() - started
      yield* Effect.sleep(1000)
      const before = controller.status()
      const percent = yield* Effect.promise(() => cpuPercentOver(10))
      const after = controller.status()
      const share = (ms: (status: typeof after) => number): string => ((ms(after) - ms(before)) / 100).toFixed(2)
      line(
        noiseMiB,
        chunkBytes / 1024,
        (firstMs / 1000).toFixed(1),
        arena.counters.incompressible === region.chunks ? "yes" : "no",
        percent.toFixed(2),
        idle.toFixed(2),
        share(({ predictMs }) => predictMs),
        share(({ compressMs }) => compressMs)
      )
    })
    await Effect.runPromise(Effect.scoped(program))
    arena.close()
  }
}

const parts = { throughput, thread, demand, incompressible }
for (const [name, part] of Object.entries(parts)) {
  if (which !== "all" && which !== name) continue
  console.log(`\n${name} (memory: ${memory.kind})`)
  await part()
}
