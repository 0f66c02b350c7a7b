/** The codec thread: the same bytes as on this one, with memory that it sees and memory that it is sent; it races a writer and loses. */
import { describe, expect, it } from "vitest"
import { Arena, buffers, type CompressJob, loadMemory, openThreadCompressor } from "../src/index.ts"
import { kinds, makeBytes, random } from "./support/data.ts"

const best = await loadMemory()
const chunkBytes = 16_384

describe.each([...new Set([best, buffers])])("on $kind", (memory) => {
  it("compresses what is begun; a chunk written meanwhile stays raw with what was written", async () => {
    const compressor = await openThreadCompressor("lz4")
    using arena = await Arena.open({ memory, chunkBytes })
    const region = arena.region(kinds.length * 8 * chunkBytes)
    const source = random(1)
    const shadow = new Uint8Array(region.bytes)
    for (let chunk = 0; chunk < region.chunks; chunk++)
      shadow.set(makeBytes(kinds[chunk % kinds.length]!, chunkBytes, source), chunk * chunkBytes)
    region.write(0, shadow)
    for (let round = 0; round < 5; round++) {
      const jobs: Array<CompressJob> = []
      for (let chunk = 0; chunk < region.chunks; chunk++) {
        const begun = region.begin(chunk)
        if (typeof begun !== "string") jobs.push(begun)
      }
      expect(jobs.length).toBeGreaterThan(round === 0 ? 20 : 0)
      const run = compressor.run(jobs, chunkBytes, arena.keepRawAboveBytes)
      const written = new Set<number>()
      // While the thread is at it.
      for (let i = 0; i < 10; i++) {
        const { chunk } = jobs[source.below(jobs.length)]!
        const bytes = makeBytes("noise", 500, source)
        const offset = chunk * chunkBytes + source.below(chunkBytes - 500)
        region.write(offset, bytes)
        shadow.set(bytes, offset)
        written.add(chunk)
      }
      const { cpuMs, done, results } = await run
      expect(cpuMs).toBeGreaterThan(0)
      for (const [at, job] of jobs.entries()) {
        const outcome = region.finish(job, results[at])
        if (written.has(job.chunk)) expect(outcome).toBe("left")
        else expect(["compressed", "incompressible"]).toContain(outcome)
      }
      done()
      expect(region.compressedChunks).toBeGreaterThan(0)
      expect(Buffer.compare(region.read(0, region.bytes), shadow)).toBe(0)
    }
    await compressor.close()
  })
})

it("says why there is no thread for a codec", async () => {
  await expect(openThreadCompressor("no-such-codec")).rejects.toThrow(/no-such-codec/)
})

it("rejects what is open when the thread ends", async () => {
  // Seconds of work, so that it is open for sure.
  const large = 2 ** 20
  const compressor = await openThreadCompressor("zstd-19")
  using arena = await Arena.open({ memory: buffers, chunkBytes: large })
  const region = arena.region(8 * large)
  const jobs: Array<CompressJob> = []
  for (let chunk = 0; chunk < region.chunks; chunk++) {
    region.write(chunk * large, makeBytes("text", large, random(chunk + 1)))
    const job = region.begin(chunk)
    if (typeof job === "string") return expect.unreachable()
    jobs.push(job)
  }
  const run = compressor.run(jobs, large, large)
  const refused = expect(run).rejects.toThrow("the codec thread ended")
  await compressor.close()
  await refused
  for (const job of jobs) region.abandon(job)
  expect(region.state(0)).toBe("raw")
})
