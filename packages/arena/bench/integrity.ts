/**
 * The long form of the integrity test: millions of random operations beside a plain copy, four fifths of them on this thread alone, a fifth
 * while a codec thread compresses the memory that is being written. Run: `node bench/integrity.ts [million operations] [seed]`. Exit code 1 for
 * a single wrong byte.
 */
import { loadMemory, openThreadCompressor } from "../src/index.ts"
import { Shadow } from "../test/support/Shadow.ts"

const millions = Number(process.argv[2] ?? 10)
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 1e6))
const memory = await loadMemory()
const started = performance.now()

const report = (name: string, { comparedBytes, done, operations, wrongBytes, arena }: Shadow): void => {
  const { corrupted, dropped } = arena.counters
  console.log(
    `${name}: ${operations} operations, ${comparedBytes} bytes compared, ${wrongBytes} wrong; ${dropped} results dropped for a touch, ${corrupted} damaged reads, all named`
  )
  console.log(
    `  ${Object.entries(done)
      .map(([what, count]) => `${what} ${count}`)
      .join(", ")}`
  )
}

console.log(`seed ${seed}, memory ${memory.kind}`)
const alone = await Shadow.open({ memory, seed, chunkBytes: 4096, regions: 8, chunks: 250 })
while (alone.operations < millions * 0.8e6) alone.step()
alone.check()
report("alone", alone)

const raced = await Shadow.open({ memory, seed: seed + 1, chunkBytes: 65_536, regions: 4, chunks: 64 })
const compressor = await openThreadCompressor("lz4")
let threaded = 0
while (raced.operations < millions * 0.2e6) {
  const jobs = raced.beginMany(64)
  const open = { isDone: false }
  const run = compressor.run(jobs, raced.arena.chunkBytes, raced.arena.keepRawAboveBytes).finally(() => (open.isDone = true))
  while (!open.isDone) {
    for (let i = 0; i < 100; i++) raced.step()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { done, results } = await run
  for (const [at, job] of jobs.entries()) if (job.region.finish(job, results[at]) === "compressed") threaded++
  done()
}
await compressor.close()
raced.check()
report(`beside a codec thread (which compressed ${threaded})`, raced)

const wrong = alone.wrongBytes + raced.wrongBytes
const lost = alone.close() + raced.close()
console.log(`${((performance.now() - started) / 1000).toFixed(0)} s; wrong bytes: ${wrong}; pool bytes lost: ${lost}`)
process.exit(wrong + lost === 0 ? 0 : 1)
