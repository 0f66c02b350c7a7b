/**
 * The process arena on the kernel that runs, in the VM as root: a real process is paged out and read in, is verified to the last byte, and stays
 * unharmed whatever becomes of it or of the arena. Short; `bench/process.ts` is the long form.
 */
import { assert, describe, it } from "@effect/vitest"
import { Journal, KernFs } from "@wmo/core"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { findPredictor, none } from "../src/index.ts"
import { openProcessArena } from "../src/process/index.ts"
import { burstTarget, kernel, runBurst } from "./support/processRun.ts"

const kdamonds = "/sys/kernel/mm/damon/admin/kdamonds"
const settings = {
  chunkBytes: 2 ** 18,
  coldMs: 800,
  leastColdMs: 500,
  mostColdMs: 1500,
  leastAgeMs: 500,
  followMs: 500,
  prefetchTickMs: 50,
  cpuPercent: 100,
  restoreCpuPercent: 100,
  mostPressurePercent: 100
}
const nothingIsLeft = () => assert.strictEqual(readFileSync(`${kdamonds}/nr_kdamonds`, "utf8").trim(), "0")
const swappedKib = (pid: number) => Number(/^VmSwap:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)
const live = <A, E>(body: Effect.Effect<A, E, any>) => body.pipe(Effect.scoped, Effect.provide(kernel)) as Effect.Effect<A, E>

/** A process that forks while its memory is out: both check what they have. Ends with a line of how many pages are wrong. */
const forking = `
import os, sys, time, hashlib
data = open("/proc/self/exe", "rb").read()[: 4 << 20]
held = [bytearray(data) for _ in range(3)]
want = hashlib.sha256(data).hexdigest()
def wrong(): return sum(hashlib.sha256(h).hexdigest() != want for h in held)
print("ready", flush=True)
time.sleep(4)
pid = os.fork()
if pid == 0:
    bad = wrong()
    held[0][0] ^= 1
    time.sleep(1)
    held[0][0] ^= 1
    os._exit(bad + wrong())
bad = wrong()
_, status = os.waitpid(pid, 0)
print('{"wrong": %d}' % (bad + wrong() + os.waitstatus_to_exitcode(status)), flush=True)
`

describe.skipIf(!existsSync(kdamonds))("the process arena", () => {
  it.live("reads bursts in before they come; every byte is right, and DAMON is given back", () =>
    Effect.gen(function* () {
      const burst = { mib: 12, activeMs: 500, idleMs: 3000, bursts: 9 }
      const { result, status } = yield* live(runBurst(burst, { mode: "advise", predictor: findPredictor("periodic")!, settings }))
      const { measures } = status!.predictor
      console.log(
        `periodic: first touches p99 ${result.p99Us.toFixed(1)} µs, sum ${result.sumMs.toFixed(0)} ms; accuracy ${measures.accuracy?.toFixed(2)}, coverage ${measures.coverage?.toFixed(2)}; out ${status!.pagedOutBytes >> 20} MiB, read in ${status!.readInBytes >> 20} MiB, on demand ${status!.demandBytes >> 20} MiB; saved ${((100 * status!.savedByteSeconds) / status!.wholeByteSeconds).toFixed(1)} % of PSS`
      )
      assert.strictEqual(result.wrong, 0)
      assert.isAbove(status!.pagedOutBytes, 12 * 2 ** 20)
      assert.isAbove(status!.readInBytes, 4 * 2 ** 20)
      assert.isAbove(measures.accuracy!, 0.5)
      assert.isAbove(status!.savedByteSeconds, 0)
      nothingIsLeft()
    })
  )

  for (const by of ["syscall", "sysfs"] as const) {
    it.live(`fork, by ${by}: parent and child have their memory`, () =>
      Effect.gen(function* () {
        const child = spawn("python3", ["-c", forking], { stdio: ["ignore", "pipe", "inherit"] })
        let output = ""
        child.stdout.on("data", (chunk) => (output += String(chunk)))
        const closed = new Promise((resolve) => child.once("close", resolve))
        while (!output.includes("ready")) yield* Effect.promise(() => sleep(50))
        const status = yield* live(
          Effect.gen(function* () {
            const arena = yield* openProcessArena({ pid: child.pid!, mode: "advise", predictor: none, by, settings })
            yield* Effect.promise(() => sleep(3000))
            assert.isAbove(swappedKib(child.pid!), 8 * 1024)
            assert.strictEqual(arena.status().by, by)
            yield* arena.ended
            return arena.status()
          })
        )
        yield* Effect.promise(() => closed)
        assert.include(output, '{"wrong": 0}')
        assert.isAbove(status.pagedOutBytes, 8 * 2 ** 20)
        nothingIsLeft()
      })
    )
  }

  it.live("a target that is killed ends the arena", () =>
    Effect.gen(function* () {
      const target = burstTarget({ mib: 4, activeMs: 100, idleMs: 60_000, bursts: 1 })
      yield* Effect.promise(() => target.ready)
      const why = yield* live(
        Effect.gen(function* () {
          const arena = yield* openProcessArena({ pid: target.pid, mode: "advise", predictor: none, settings })
          yield* Effect.promise(() => sleep(1500))
          target.child.kill("SIGKILL")
          return yield* arena.ended
        })
      )
      assert.strictEqual(why, "the process has ended")
      nothingIsLeft()
    })
  )

  it.live("an arena that is killed leaves the target unharmed, and its kdamond to the next start", () =>
    Effect.gen(function* () {
      const target = burstTarget({ mib: 8, activeMs: 200, idleMs: 4000, bursts: 2 })
      yield* Effect.promise(() => target.ready)
      const directory = mkdtempSync(join(tmpdir(), "wmo-arena-crash-"))
      const program = `${directory}.mjs`
      writeFileSync(program, crashing(directory, target.pid))
      const child = spawn(process.execPath, ["--liftoff-only", program], { stdio: ["ignore", "pipe", "inherit"] })
      const signal = yield* Effect.promise(
        () =>
          new Promise((resolve) => {
            child.stdout.once("data", () => child.kill("SIGKILL"))
            child.once("close", (code, name) => resolve(name ?? code))
          })
      )
      assert.strictEqual(signal, "SIGKILL")
      assert.isAbove(swappedKib(target.pid), 4 * 1024)
      yield* Journal.recover(directory).pipe(Effect.provide(KernFs.layer))
      nothingIsLeft()
      assert.deepStrictEqual(readdirSync(directory), [])
      const result = yield* Effect.promise(() => target.result)
      assert.strictEqual(result.wrong, 0)
    })
  )
})

// Built: Node crashes now and then while it strips the types of many files, see CONTRIBUTING.
const built = (name: string) => JSON.stringify(fileURLToPath(new URL(`../../${name}/dist/index.js`, import.meta.url)))

/** Pages a process out, says so, and waits to be killed. */
const crashing = (directory: string, pid: number) => `
import { Effect, Layer } from ${JSON.stringify(fileURLToPath(import.meta.resolve("effect")))}
import { Cgroups, Damon, DamonTrace, Journal, KernFs, Machine, PageMap, Pressure, Processes, ProcessMemory, Zram, Zswap } from ${built("core")}
import { findPredictor, openProcessArena } from ${built("arena")}
const layer = Layer.mergeAll(Damon.layer, DamonTrace.layer, Machine.layer, PageMap.layer, Pressure.layer, Processes.layer, ProcessMemory.layer, Zram.layer, Zswap.layer).pipe(
  Layer.provideMerge(Cgroups.layer), Layer.provideMerge(Journal.layer({ directory: ${JSON.stringify(directory)}, command: "to be killed" })), Layer.provideMerge(KernFs.layer))
await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
  const arena = yield* openProcessArena({ pid: ${pid}, mode: "advise", predictor: findPredictor("none"), settings: ${JSON.stringify(settings)} })
  while (arena.status().outBytes < 6 * 2 ** 20) yield* Effect.sleep(100)
  console.log("out")
  yield* Effect.never
}).pipe(Effect.provide(layer))))
`
