/**
 * A group that fills page cache up to its `memory.high`, on the kernel that runs: throttled by itself, and never while `watermark` looks after it.
 * Prints how often, and what the policy's process cost. As root in a VM guest.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Journal, KernFs, Machine, Mglru, WorkingSet } from "@wmo/core"
import { decodeSettings, watermark } from "@wmo/policies"
import { Effect, Fiber, Layer, Result } from "effect"
import { existsSync, lstatSync, mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defaultGuardRails, makeLoop } from "../src/index.ts"
import { makeGroup, readNumber, setLimit, startIn, timesThrottled } from "./fixtures/guestGroup.ts"

const mib = 2 ** 20
const high = 96 * mib
/** Reading some thirty files and deciding takes an emulated machine 40 ms: a fraction of a percent of a core elsewhere. */
const everyMs = 3000
const kernel = Layer.mergeAll(Machine.layer, Mglru.layer, WorkingSet.layer).pipe(
  Layer.provideMerge(Cgroups.layer),
  Layer.provideMerge(Journal.layer({ directory: mkdtempSync(join(tmpdir(), "wmo-watermark-")), command: "guest test" })),
  Layer.provideMerge(KernFs.layer)
)

/** Files that make up some 160 MiB, each small against the limit. */
const filesToRead = (): ReadonlyArray<string> => {
  const found: Array<string> = []
  let bytes = 0
  for (const directory of ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/bin"]) {
    for (const name of existsSync(directory) ? readdirSync(directory) : []) {
      const file = join(directory, name)
      const stat = lstatSync(file)
      if (!stat.isFile() || stat.size < 2 * mib || stat.size > 12 * mib) continue
      found.push(file)
      bytes += stat.size
      if (bytes > 160 * mib) return found
    }
  }
  return found
}

/** Reads the files into the group's page cache, one after the other with a pause of a second; tells how long that took. */
const fill = (group: string, files: ReadonlyArray<string>) =>
  Effect.promise(
    () =>
      new Promise<number>((resolve) => {
        const begin = Date.now()
        startIn(group, ["/bin/sh", "-c", 'for f; do cat "$f" > /dev/null; sleep 1; done', "sh", ...files]).once("close", () =>
          resolve((Date.now() - begin) / 1000)
        )
      })
  )

const dropCaches = Effect.flatMap(KernFs, (fs) => fs.write("/proc/sys/vm/drop_caches", "1"))

describe("watermark", () => {
  it.live("keeps a group that fills page cache from ever being throttled, at two percent of a core at most", () =>
    Effect.gen(function* () {
      const files = filesToRead()
      yield* dropCaches
      const alone = yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-unwatched")
          setLimit(group, "memory.high", high)
          const seconds = yield* fill(group, files)
          return { seconds, throttled: timesThrottled(group), peak: readNumber(group, "memory.peak") }
        })
      )
      yield* dropCaches
      const kept = yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-watched")
          setLimit(group, "memory.high", high)
          const { tick } = yield* makeLoop({
            group,
            policy: watermark,
            settings: Result.getOrThrow(decodeSettings("watermark", watermark.settings, {})),
            everyMs,
            rails: defaultGuardRails,
            dryRun: false,
            pageAge: "none"
          })
          let reclaimMs = 0
          let requests = 0
          let lastReason = ""
          const loop = Effect.gen(function* () {
            for (;;) {
              const { outcomes, reason } = yield* tick
              if (outcomes.length > 0) lastReason = reason
              requests += outcomes.length
              for (const { tookMs } of outcomes) reclaimMs += tookMs
              yield* Effect.sleep(everyMs)
            }
          })
          // What it takes to translate the loop's own code, on a machine that is emulated, is not what it costs.
          for (let i = 0; i < 60; i++) yield* tick
          const idle = process.cpuUsage()
          yield* Effect.sleep(5000)
          const idled = process.cpuUsage(idle)
          const idleCpu = ((idled.user + idled.system) / 1e6 / 5) * 100
          const begin = process.cpuUsage()
          const fiber = yield* Effect.forkChild(loop)
          const seconds = yield* fill(group, files)
          const { system, user } = process.cpuUsage(begin)
          yield* Fiber.interrupt(fiber)
          const cpu = ((user + system) / 1e6 / seconds) * 100
          return {
            seconds,
            throttled: timesThrottled(group),
            peak: readNumber(group, "memory.peak"),
            cpu,
            idleCpu,
            reclaimMs,
            requests,
            lastReason
          }
        })
      )
      console.log(
        `without: throttled ${alone.throttled} times, peak ${(alone.peak / mib).toFixed(0)} MiB, ${alone.seconds.toFixed(1)} s\n` +
          `watermark: throttled ${kept.throttled} times, peak ${(kept.peak / mib).toFixed(0)} MiB, ${kept.seconds.toFixed(1)} s, ` +
          `${kept.cpu.toFixed(2)} % of a core for the whole process (${kept.idleCpu.toFixed(2)} % when it does nothing), ${((kept.reclaimMs / 1000 / kept.seconds) * 100).toFixed(2)} % in ${kept.requests} requests\n` +
          `last: ${kept.lastReason}`
      )
      assert.isAbove(alone.throttled, 0)
      assert.strictEqual(kept.throttled, 0)
      assert.isAbove(kept.requests, 0)
      assert.isAtMost(kept.cpu, 2)
    }).pipe(Effect.provide(kernel))
  )
})
