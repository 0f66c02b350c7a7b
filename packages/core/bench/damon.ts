/**
 * What a DAMON snapshot of about a thousand regions costs, and how fast tracepoint lines are parsed. The snapshot needs root and a kernel
 * that may be used (a VM): `node bench/damon.ts kernel`; without the word it runs on the fake kernel.
 */
import { Duration, Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import { mkdtempSync } from "node:fs"
import { Damon, Journal, KernFs, makeKdamond, parseDamonTrace } from "../src/index.ts"
import { FakeKernel } from "../src/testing.ts"

const gib = 2n ** 30n
const isReal = process.argv[2] === "kernel"
const ram = isReal
  ? readFileSync("/proc/iomem", "utf8")
      .split("\n")
      .filter((line) => /^\S.*System RAM/.test(line))
      .map((line) =>
        line
          .split(" ")[0]!
          .split("-")
          .map((hex) => BigInt(`0x${hex}`))
      )
  : [[0n, gib]]
const [start, end] = ram.toSorted((a, b) => Number(b[1]! - b[0]! - (a[1]! - a[0]!)))[0]!

const regions = Array.from({ length: 1000 }, (_, i) => ({
  start: BigInt(i) * 2n ** 20n,
  end: BigInt(i + 1) * 2n ** 20n,
  nrAccesses: 0,
  age: i
}))
const layer = isReal ? Layer.provideMerge(Damon.layer, KernFs.layer) : new FakeKernel({ damon: { regions: () => regions } }).layer

const snapshot = Effect.gen(function* () {
  const owned = yield* (yield* Damon).acquire()
  yield* owned.stage(makeKdamond({ regions: [{ start: start!, end: end! + 1n }], nrRegions: { min: 1000, max: 2000 } }))
  yield* owned.start()
  yield* Effect.sleep(Duration.millis(1500))
  const fs = yield* KernFs
  const command = "/sys/kernel/mm/damon/admin/kdamonds/0/state"
  for (let round = 0; round < 5; round++) {
    yield* fs.writeBlocking(command, "update_schemes_tried_regions")
    const before = performance.now()
    const { contexts } = yield* owned.read()
    const ms = performance.now() - before
    const count = contexts[0]!.schemes[0]!.triedRegions!.regions.length
    const directory = "/sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/schemes/0/tried_regions"
    // The same files, opened and read with nothing around it.
    const bareBefore = performance.now()
    if (isReal) {
      for (let i = 0; i < count; i++) for (const name of ["start", "end", "nr_accesses", "age"]) readFileSync(`${directory}/${i}/${name}`)
    }
    const bare = performance.now() - bareBefore
    console.log(
      `${count} regions in ${ms.toFixed(1)} ms: ${((ms * 1000) / count).toFixed(1)} µs a region${isReal ? `; readFileSync alone ${((bare * 1000) / count).toFixed(1)} µs` : ""}`
    )
  }
})

const directory = mkdtempSync("/tmp/wmo-bench-")
await Effect.runPromise(
  Effect.scoped(
    snapshot.pipe(Effect.provide(Layer.provideMerge(Journal.layer({ directory, command: "bench" }), layer)))
  ) as Effect.Effect<void>
)

const lines = Array.from(
  { length: 200_000 },
  (_, i) =>
    `       kdamond.0-231     [001] .....    ${(12 + i / 1e5).toFixed(6)}: damon_aggregated: target_id=0 nr_regions=1000 ${94_827_419_009_024 + i * 4096}-${94_827_419_013_120 + i * 4096}: ${i % 20} ${i % 900}\n`
).join("")
const input = new TextEncoder().encode(lines)
for (let round = 0; round < 3; round++) {
  const before = performance.now()
  const { length } = parseDamonTrace(input)
  console.log(`${length} tracepoint lines: ${((length / (performance.now() - before)) * 1000).toFixed(0)} a second`)
}
