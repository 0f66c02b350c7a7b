/** A process that is killed while its kdamonds run, on the kernel that runs: the next start gives DAMON back. As root in a VM guest. */
import "../../../tooling/inGuest.ts"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Damon, Journal, KernFs } from "../src/index.ts"

// Built: Node crashes now and then while it strips the types of many files, see CONTRIBUTING.
const library = fileURLToPath(new URL("../dist/index.js", import.meta.url))
const effect = fileURLToPath(import.meta.resolve("effect"))

/** Acquires DAMON, taking over what is there, starts a kdamond, says so, and waits to be killed. */
const program = (directory: string) => `
import { Effect, Layer } from ${JSON.stringify(effect)}
import { Damon, Journal, KernFs, makeKdamond } from ${JSON.stringify(library)}
const layer = Layer.mergeAll(Damon.layer, Journal.layer({ directory: ${JSON.stringify(directory)}, command: "to be killed" })).pipe(Layer.provideMerge(KernFs.layer))
await Effect.runPromise(Effect.scoped(Effect.gen(function* () {
  const damon = yield* Damon
  const owned = yield* damon.acquire({ takeOver: true, count: 2 })
  yield* owned.stage(makeKdamond({ pids: [process.pid], intervals: { sampleUs: 9000 } }), 1)
  yield* owned.start(1)
  console.log("ready")
  yield* Effect.never
}).pipe(Effect.provide(layer))))
`

describe.skipIf(!existsSync("/sys/kernel/mm/damon/admin"))("DAMON after a crash", () => {
  it.live("is as it was: nothing set up, or what somebody had running", () =>
    Effect.gen(function* () {
      const fs = yield* KernFs
      const damon = yield* Damon
      // Never on a machine whose DAMON somebody uses.
      assert.deepStrictEqual(yield* damon.users, [])
      const directory = mkdtempSync(join(tmpdir(), "wmo-damon-crash-"))
      const file = `${directory}.mjs`
      writeFileSync(file, program(directory))
      const admin = "/sys/kernel/mm/damon/admin/kdamonds"
      // Whatever happens: what is left behind here fails every test of DAMON after this one.
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          for (const name of yield* fs.list(admin))
            if (/^\d+$/.test(name)) yield* Effect.ignore(fs.writeBlocking(`${admin}/${name}/state`, "off"))
          yield* fs.write(`${admin}/nr_kdamonds`, "0")
        }).pipe(Effect.ignore)
      )
      const crash = Effect.promise(
        () =>
          new Promise<string>((resolve) => {
            const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] })
            let problem = ""
            child.stderr.on("data", (chunk) => (problem += String(chunk)))
            child.stdout.once("data", () => child.kill("SIGKILL"))
            child.once("close", (_, signal) => resolve(signal ?? problem))
          })
      )
      assert.strictEqual(yield* crash, "SIGKILL")
      assert.lengthOf(yield* damon.users, 2)
      const [recovery] = yield* Journal.recover(directory)
      assert.strictEqual(recovery?.command, "to be killed")
      assert.deepStrictEqual(yield* damon.users, [])

      // The same where somebody has a kdamond of his own.
      yield* fs.write(`${admin}/nr_kdamonds`, "1")
      yield* fs.write(`${admin}/0/contexts/nr_contexts`, "1")
      yield* fs.write(`${admin}/0/contexts/0/monitoring_attrs/intervals/sample_us`, "7777")
      yield* fs.write(`${admin}/0/contexts/0/targets/nr_targets`, "1")
      yield* fs.write(`${admin}/0/contexts/0/targets/0/pid_target`, String(process.pid))
      yield* fs.writeBlocking(`${admin}/0/state`, "on")
      assert.strictEqual(yield* crash, "SIGKILL")
      assert.strictEqual((yield* damon.read)[1]!.contexts[0]!.intervals.sampleUs, 9000)
      yield* Journal.recover(directory)
      const [theirs, ...others] = yield* damon.read
      assert.lengthOf(others, 0)
      assert.strictEqual(theirs!.state, "on")
      assert.strictEqual(theirs!.contexts[0]!.intervals.sampleUs, 7777)
      assert.strictEqual(theirs!.contexts[0]!.targets[0]!.pid, process.pid)
      assert.deepStrictEqual(readdirSync(directory), [])
      yield* fs.writeBlocking(`${admin}/0/state`, "off")
      yield* fs.write(`${admin}/nr_kdamonds`, "0")
      rmSync(directory, { recursive: true })
      rmSync(file)
    }).pipe(Effect.provide(Layer.provideMerge(Damon.layer, KernFs.layer)))
  )
})
