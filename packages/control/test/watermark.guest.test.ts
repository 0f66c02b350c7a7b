/**
 * A group that fills page cache up to its `memory.high`, on the kernel that runs: throttled by itself, and never while `watermark` looks after it.
 * Prints how often, and what the policy's process cost. As root in a VM guest.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Journal, KernFs, Machine, Mglru, WorkingSet } from "@wmo/core"
import { decodeSettings, watermark } from "@wmo/policies"
import { Effect, Fiber, Layer, Result } from "effect"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defaultGuardRails, makeLoop } from "../src/index.ts"
import { makeGroup, readNumber, setLimit, startIn, timesThrottled } from "./fixtures/guestGroup.ts"

const mib = 2 ** 20
const high = 96 * mib
const kernel = Layer.mergeAll(Machine.layer, Mglru.layer, WorkingSet.layer).pipe(
  Layer.provideMerge(Cgroups.layer),
  Layer.provideMerge(Journal.layer({ directory: mkdtempSync(join(tmpdir(), "wmo-watermark-")), command: "guest test" })),
  Layer.provideMerge(KernFs.layer)
)

/** Reads about 240 MiB of files that no page cache holds yet, a megabyte at a time, about 8 MiB a second. */
const reader = [
  "/bin/sh",
  "-c",
  'find /usr/lib /usr/share /work/main/node_modules/.pnpm -xdev -type f -size +300k 2>/dev/null | head -300 | while read -r f; do dd if="$f" of=/dev/null bs=1M 2>/dev/null; usleep 1000 2>/dev/null || sleep 0.05; done'
]

/** Fills the group; tells how often it was throttled, and what was read in which time. */
const fill = (group: string) =>
  Effect.promise(
    () =>
      new Promise<number>((resolve) => {
        const begin = Date.now()
        startIn(group, reader).once("close", () => resolve((Date.now() - begin) / 1000))
      })
  )

const dropCaches = Effect.flatMap(KernFs, (fs) => fs.write("/proc/sys/vm/drop_caches", "1"))

describe("watermark", () => {
  it.live("keeps a group that fills page cache from ever being throttled, at two percent of a core at most", () =>
    Effect.gen(function* () {
      yield* dropCaches
      const alone = yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-unwatched")
          setLimit(group, "memory.high", high)
          const seconds = yield* fill(group)
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
            everyMs: 1000,
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
              yield* Effect.sleep(1000)
            }
          })
          // What the loop itself takes to warm up is not what it costs.
          for (let i = 0; i < 3; i++) yield* tick
          const begin = process.cpuUsage()
          const fiber = yield* Effect.forkChild(loop)
          const seconds = yield* fill(group)
          const { system, user } = process.cpuUsage(begin)
          yield* Fiber.interrupt(fiber)
          const cpu = ((user + system) / 1e6 / seconds) * 100
          return { seconds, throttled: timesThrottled(group), peak: readNumber(group, "memory.peak"), cpu, reclaimMs, requests, lastReason }
        })
      )
      console.log(
        `without: throttled ${alone.throttled} times, peak ${(alone.peak / mib).toFixed(0)} MiB, ${alone.seconds.toFixed(1)} s\n` +
          `watermark: throttled ${kept.throttled} times, peak ${(kept.peak / mib).toFixed(0)} MiB, ${kept.seconds.toFixed(1)} s, ` +
          `${kept.cpu.toFixed(2)} % of a core for the whole process, ${((kept.reclaimMs / 1000 / kept.seconds) * 100).toFixed(2)} % in ${kept.requests} requests\n` +
          `last: ${kept.lastReason}`
      )
      assert.isAbove(alone.throttled, 0)
      assert.strictEqual(kept.throttled, 0)
      assert.isAbove(kept.requests, 0)
      assert.isAtMost(kept.cpu, 2)
    }).pipe(Effect.provide(kernel))
  )
})
