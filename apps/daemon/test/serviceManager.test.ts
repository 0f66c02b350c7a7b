/** What systemd is told, by a `systemd-notify` of our own that writes it down. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { tellServiceManager } from "../src/serviceManager.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const told = join(scratch, "told")
writeFileSync(join(scratch, "systemd-notify"), `#!/bin/sh\necho "$@" >> ${told}\n`, { mode: 0o755 })

const linesTold = (): ReadonlyArray<string> => (existsSync(told) ? readFileSync(told, "utf8").trimEnd().split("\n") : [])
/** A child tells it: waits in real time until so much was told. */
const untilTold = (count: number) =>
  Effect.promise(async () => {
    for (let i = 0; i < 500 && linesTold().length < count; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  })
const withEnvironment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = { ...process.env }
      Object.assign(process.env, { PATH: `${scratch}:${process.env["PATH"]}` }, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        process.env = before
      })
  )

describe("the service manager", () => {
  it.effect("is told nothing where it did not ask", () =>
    Effect.gen(function* () {
      yield* withEnvironment({})
      yield* Effect.scoped(tellServiceManager)
      assert.deepStrictEqual(linesTold(), [])
    })
  )

  it.effect("is told that wmod is ready, alive three times a watchdog's period, and stopping", () =>
    Effect.gen(function* () {
      yield* withEnvironment({ NOTIFY_SOCKET: "/run/nobody", WATCHDOG_USEC: "90000000" })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* tellServiceManager
          yield* untilTold(2)
          yield* TestClock.adjust("29 seconds")
          assert.deepStrictEqual(linesTold(), ["READY=1", "WATCHDOG=1"])
          yield* TestClock.adjust("1 second")
          yield* untilTold(3)
        })
      )
      assert.deepStrictEqual(linesTold(), ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"])
    })
  )
})
