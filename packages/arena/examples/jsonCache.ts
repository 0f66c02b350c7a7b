/**
 * A cache of JSON documents whose cold part is compressed: `node jsonCache.ts [MIB] [SECONDS]`. Fills an object store, then uses a tenth of the
 * documents only, and prints every second what the process holds (RSS); every answer is compared with the document. No root, no swap.
 */
import { controlArena, findPredictor, ObjectStore, OffHeap, openArena } from "@wmo/arena"
import { formatBytes } from "@wmo/core"
import { Effect } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const mib = Number(process.argv[2] ?? 64)
const seconds = Number(process.argv[3] ?? 8)

/** The same document for the same number, so that nothing has to be kept to compare with. */
const document = (id: number): string =>
  JSON.stringify({
    id,
    name: `user-${(id * 7919).toString(36)}`,
    mail: `${(id * 104_729).toString(36)}@example.org`,
    roles: ["reader", "writer", "owner"].slice(id % 3),
    history: Array.from({ length: 20 }, (_, at) => ({
      at: 1_700_000_000 + id * 31 + at * 3600,
      event: `visit-${(id * at) % 17}`,
      ms: (id * at * 13) % 997
    }))
  })

// What making the documents leaves behind is not what is shown here.
setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const rssBytes = (): number => {
  collectGarbage()
  return process.memoryUsage.rss()
}

const program = Effect.gen(function* () {
  const emptyBytes = rssBytes()
  const arena = yield* openArena({ codec: "lz4" })
  const controller = yield* controlArena(arena, { predictor: findPredictor("tournament")!, settings: { coldMs: 1000, cpuPercent: 40 } })
  const cache = new ObjectStore(arena, "documents")
  let documents = 0
  for (; cache.stats().valueBytes < mib * 2 ** 20; documents++) cache.set(`${documents}`, Buffer.from(document(documents)))
  console.log(`${documents} documents, ${formatBytes(cache.stats().valueBytes)}; the program alone is ${formatBytes(emptyBytes)}`)
  console.log("second        RSS   raw in arena     compressed   answers/s   wrong")
  let wrong = 0
  const print = (second: number, answers: number): void => {
    const { pool, rawBytes } = arena.stats()
    const sizes = [rssBytes(), rawBytes, pool.heldBytes].map(formatBytes)
    console.log([second, ...sizes, answers, wrong].map((cell, at) => String(cell).padStart([6, 11, 15, 15, 12, 8][at]!)).join(""))
  }
  print(0, 0)
  for (let second = 1; second <= seconds; second++) {
    let answers = 0
    const until = performance.now() + 1000
    while (performance.now() < until) {
      // The newest tenth is used; a request comes every now and then.
      const id = documents - 1 - ((answers * 7919 + second) % Math.ceil(documents / 10))
      if (cache.get(`${id}`)?.toString() !== document(id)) wrong++
      answers++
      yield* Effect.sleep(1)
    }
    print(second, answers)
  }
  const { ratio } = arena.stats()
  // What nobody used for a while is still there.
  for (let id = 0; id < documents; id += 101) if (cache.get(`${id}`)?.toString() !== document(id)) wrong++
  const { compressMs } = controller.status()
  console.log(
    `${wrong} wrong answers; held ${ratio.toFixed(1)} times less than it is, metadata included; ${(compressMs / 10 / seconds).toFixed(1)} % of a core for it`
  )
  if (wrong > 0) process.exitCode = 1
})

await program.pipe(Effect.scoped, Effect.provide(OffHeap.layer), Effect.runPromise)
