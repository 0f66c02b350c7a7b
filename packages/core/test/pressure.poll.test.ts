/** Waiting on real descriptors: pipes stand in for triggers (a writer that goes is POLLHUP), since this needs neither root nor PSI. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { execFileSync } from "node:child_process"
import * as nodeFs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { KernFs, type OpenFile } from "../src/index.ts"

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = nodeFs.constants

/** Pipes, and the end that is waited on; closing the other end wakes it. */
const makePipes = (count: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = nodeFs.mkdtempSync(join(tmpdir(), "wmo-poll-"))
      const pipes = Array.from({ length: count }, (_, i) => {
        const path = join(directory, String(i))
        execFileSync("/bin/sh", ["-c", `mkfifo "$0"`, path])
        const fd = nodeFs.openSync(path, O_RDONLY | O_NONBLOCK)
        let writer: number | undefined = nodeFs.openSync(path, O_WRONLY)
        const hangUp = () => {
          if (writer !== undefined) nodeFs.closeSync(writer)
          writer = undefined
        }
        return { file: { path, fd } as OpenFile, hangUp }
      })
      return { directory, pipes }
    }),
    ({ directory, pipes }) =>
      Effect.sync(() => {
        for (const { file, hangUp } of pipes) {
          hangUp()
          nodeFs.closeSync(file.fd)
        }
        nodeFs.rmSync(directory, { recursive: true })
      })
  ).pipe(Effect.map(({ pipes }) => pipes))

const turn = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 20)))

describe("waiting on descriptors", () => {
  it.live("many wait at once; each hears its own event, whoever came and went meanwhile", () =>
    Effect.gen(function* () {
      const fs = yield* KernFs
      const pipes = yield* makePipes(24)
      const heard: Array<number> = []
      const fibers = []
      for (const [i, { file }] of pipes.entries()) {
        const wait = Effect.map(fs.awaitEvent(file), (event) => {
          assert.strictEqual(event, "error")
          heard.push(i)
        })
        fibers.push(yield* Effect.forkChild(wait))
        if (i % 8 === 0) yield* turn
      }
      yield* turn
      assert.deepStrictEqual(heard, [])
      for (const i of [3, 4, 5]) yield* Fiber.interrupt(fibers[i]!)
      const order = [17, 2, 23, 0, 9]
      for (const i of order) {
        pipes[i]!.hangUp()
        yield* Fiber.join(fibers[i]!)
      }
      assert.deepStrictEqual(heard, order)
      for (const i of [3, 4, 5]) pipes[i]!.hangUp()
      yield* turn
      assert.deepStrictEqual(heard, order, "one that was interrupted was told")
      for (const { hangUp } of pipes) hangUp()
      for (const [i, fiber] of fibers.entries()) if (![3, 4, 5].includes(i)) yield* Fiber.join(fiber)
      assert.lengthOf(heard, 21)
    }).pipe(Effect.scoped, Effect.provide(KernFs.layer))
  )

  it.live("after everybody has gone the next wait works as the first, and a descriptor that is closed is an error at once", () =>
    Effect.gen(function* () {
      const fs = yield* KernFs
      const [first, second] = yield* makePipes(2)
      for (const { file, hangUp } of [first!, second!]) {
        const fiber = yield* Effect.forkChild(fs.awaitEvent(file))
        yield* turn
        assert.isUndefined(fiber.pollUnsafe())
        hangUp()
        assert.strictEqual(yield* Fiber.join(fiber), "error")
        yield* turn
      }
      assert.strictEqual(yield* fs.awaitEvent({ path: "closed", fd: 99_999 } as OpenFile), "error")
    }).pipe(Effect.scoped, Effect.provide(KernFs.layer))
  )

  it.live("nobody waits: the process ends", () =>
    Effect.sync(() => {
      const program = `import { awaitEvent } from ${JSON.stringify(new URL("../src/native/awaitEvent.ts", import.meta.url).pathname)}
const cancel = awaitEvent(0, () => process.stdout.write("told"))
setTimeout(() => { cancel(); process.stdout.write("cancelled") }, 50)`
      const out = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
        timeout: 20_000,
        stdio: ["pipe", "pipe", "inherit"],
        encoding: "utf8"
      })
      assert.include(["cancelled", "toldcancelled"], out)
    })
  )
})
