/**
 * What reading a process's memory costs: `smaps` of a process with 10,000 mappings, `pagemap` of 1 GiB of addresses, against bare reads of
 * the same bytes. Works on a child that it starts, and only reads; as any user, on the running kernel.
 * Run: `node bench/pages.ts [mappings] [MiB]`. Prints one row a way: ms, ms of the bare read, their ratio.
 */
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import * as nodeFs from "node:fs"
import { countPages, KernFs, noPages, PageMap, Processes, smaps } from "../src/index.ts"

const mappings = Number(process.argv[2] ?? 10_000)
const mib = Number(process.argv[3] ?? 1024)

/** Maps one range and protects every other page of it, so that each page is a mapping; then one of the size asked for, touched here and there. */
const program = `
  const koffi = require(${JSON.stringify(import.meta.resolve("koffi").replace("file://", ""))})
  const libc = koffi.load(null)
  const mmap = libc.func("int64 mmap(int64 at, size_t length, int protection, int flags, int fd, int64 offset)")
  const mprotect = libc.func("int mprotect(int64 at, size_t length, int protection)")
  const many = mmap(0, ${mappings} * 4096, 3, 0x22, -1, 0)
  for (let i = 0; i < ${mappings}; i += 2) mprotect(Number(many) + i * 4096, 4096, 1)
  const large = Buffer.allocUnsafeSlow(${mib} * 2 ** 20)
  for (let i = 0; i < large.length; i += 4096 * 3) large[i] = 1
  console.log("ready")
  setInterval(() => large[0]++, 1000)`

/** Milliseconds, the best of five. */
const time = async (run: () => unknown): Promise<number> => {
  let best = Infinity
  for (let i = 0; i < 5; i++) {
    const start = performance.now()
    await run()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

const row = (what: string, ours: number, bare: number): void =>
  console.log(
    `${what.padEnd(34)} ${ours.toFixed(2).padStart(9)} ms ${bare.toFixed(2).padStart(9)} ms ${(ours / bare).toFixed(2).padStart(7)}`
  )

const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })
await new Promise((resolve) => child.stdout.once("data", resolve))
const pid = child.pid!
const services = Layer.mergeAll(Processes.layer, PageMap.layer).pipe(Layer.provide(KernFs.layer))
const measure = Effect.gen(function* () {
  const processes = yield* Processes
  const pageMap = yield* PageMap
  const context = yield* Effect.context<never>()
  const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromiseWith(context)(effect)
  const found = yield* processes.smaps(pid)
  const large = found.reduce((a, b) => ((a.amounts.Rss ?? 0) > (b.amounts.Rss ?? 0) ? a : b))

  const buffer = new Uint8Array(64 * 2 ** 20)
  const readAll = (path: string): number => {
    const fd = nodeFs.openSync(path, "r")
    let length = 0
    for (let got = -1; got !== 0; length += got)
      got = nodeFs.readSync(fd, buffer, length, Math.min(64 * 1024, buffer.length - length), null)
    nodeFs.closeSync(fd)
    return length
  }
  const path = `/proc/${pid}/smaps`
  const length = readAll(path)
  console.log(
    `${found.length} mappings, ${(length / 2 ** 20).toFixed(1)} MiB of smaps; a range of ${(Number(large.end - large.start) / 2 ** 20).toFixed(0)} MiB`
  )
  console.log(`${"".padEnd(34)} ${"here".padStart(12)} ${"bare read".padStart(12)} ${"ratio".padStart(7)}`)
  const bareSmaps = yield* Effect.promise(() => time(() => readAll(path)))
  row("smaps, read and decoded", yield* Effect.promise(() => time(() => run(processes.smaps(pid)))), bareSmaps)
  const text = buffer.slice(0, length)
  const copy = new Uint8Array(length)
  row(
    "smaps, decoded only (bare: a copy)",
    yield* Effect.promise(() => time(() => smaps.decode(text))),
    yield* Effect.promise(() => time(() => copy.set(text)))
  )

  const first = Number(large.start / 4096n) * 8
  const bytes = Number((large.end - large.start) / 4096n) * 8
  const readPagemap = (): void => {
    const fd = nodeFs.openSync(`/proc/${pid}/pagemap`, "r")
    for (let at = 0; at < bytes; at += 128 * 1024) nodeFs.readSync(fd, buffer, at, Math.min(128 * 1024, bytes - at), first + at)
    nodeFs.closeSync(fd)
  }
  const barePagemap = yield* Effect.promise(() => time(readPagemap))
  row("pagemap, counted", yield* Effect.promise(() => time(() => run(pageMap.count(pid, [large])))), barePagemap)
  row("pagemap, runs by reading", yield* Effect.promise(() => time(() => run(pageMap.scan(pid, [large], { via: "read" })))), barePagemap)
  const best = yield* pageMap.scan(pid, [large])
  row(
    `pagemap, runs by ${best.via} (${best.runs.length})`,
    yield* Effect.promise(() => time(() => run(pageMap.scan(pid, [large])))),
    barePagemap
  )
  const words = new Uint32Array(buffer.buffer, 0, bytes / 4)
  row(
    "entries, counted only (bare: read)",
    yield* Effect.promise(() => time(() => countPages(words, 0, bytes / 8, noPages()))),
    barePagemap
  )
})
await Effect.runPromise(measure.pipe(Effect.provide(services)))
child.kill("SIGKILL")
