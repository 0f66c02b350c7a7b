/**
 * A group that fills page cache up to its `memory.high`, on the kernel that runs: throttled by itself, and never while `watermark` looks after it.
 * Prints how often, and what the policy's process cost. As root in a VM guest.
 */
import "../../../tooling/inGuest.ts"
import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Journal, KernFs, Machine, Mglru, WorkingSet } from "@wmo/core"
import { type AnyPolicy, decodeSettings, none, watermark } from "@wmo/policies"
import { Effect, Fiber, Layer, Result } from "effect"
import { existsSync, lstatSync, mkdtempSync, readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defaultGuardRails, makeLoop } from "../src/index.ts"
import { makeGroup, readNumber, setLimit, startIn, timesThrottled } from "./fixtures/guestGroup.ts"

const mib = 2 ** 20
const high = 64 * mib
const everyMs = 1000
const kernel = Layer.mergeAll(Machine.layer, Mglru.layer, WorkingSet.layer).pipe(
  Layer.provideMerge(Cgroups.layer),
  Layer.provideMerge(Journal.layer({ directory: mkdtempSync(join(tmpdir(), "wmo-watermark-")), command: "guest test" })),
  Layer.provideMerge(KernFs.layer)
)

/** Files that make up some 130 MiB, each small against the limit. */
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
      if (bytes > 130 * mib) return found
    }
  }
  return found
}

/** Reads the files into the group's page cache, one after the other with a pause of half a second; tells how long that took. */
const fill = (group: string, files: ReadonlyArray<string>) =>
  Effect.promise(
    () =>
      new Promise<number>((resolve) => {
        const begin = Date.now()
        startIn(group, ["/bin/sh", "-c", 'for f; do cat "$f" > /dev/null; sleep 0.5; done', "sh", ...files]).once("close", () =>
          resolve((Date.now() - begin) / 1000)
        )
      })
  )

const dropCaches = Effect.flatMap(KernFs, (fs) => fs.write("/proc/sys/vm/drop_caches", "1"))

/** Fills a group while a policy looks after it; tells what came of it, and what all of this process took. */
const filled = (name: string, policy: AnyPolicy, files: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* dropCaches
    const group = yield* makeGroup(name)
    setLimit(group, "memory.high", high)
    const { tick } = yield* makeLoop({
      group,
      policy,
      settings: Result.getOrThrow(decodeSettings(policy.name, policy.settings, {})),
      everyMs,
      rails: defaultGuardRails,
      dryRun: false,
      pageAge: "none"
    })
    let reclaimMs = 0
    let requests = 0
    const loop = Effect.gen(function* () {
      for (;;) {
        const { outcomes } = yield* tick
        requests += outcomes.length
        for (const { tookMs } of outcomes) reclaimMs += tookMs
        yield* Effect.sleep(everyMs)
      }
    })
    // What it takes to translate the loop's own code, on a machine that is emulated, is not what it costs.
    for (let i = 0; i < 60; i++) yield* tick
    const begin = process.cpuUsage()
    const fiber = yield* Effect.forkChild(loop)
    const seconds = yield* fill(group, files)
    const { system, user } = process.cpuUsage(begin)
    yield* Fiber.interrupt(fiber)
    const throttled = timesThrottled(group)
    const share = (spent: number) => (spent / seconds) * 100
    const seen = { throttled, requests, cpu: share((user + system) / 1e6), reclaim: share(reclaimMs / 1000) }
    console.log(
      `${policy.name}: throttled ${throttled} times, peak ${(readNumber(group, "memory.peak") / mib).toFixed(0)} of ${high / mib} MiB, ${seconds.toFixed(1)} s, ` +
        `${seen.cpu.toFixed(2)} % of a core for all of it, ${seen.reclaim.toFixed(2)} % in ${requests} requests`
    )
    return seen
  }).pipe(Effect.scoped)

describe("watermark", () => {
  it.live("keeps a group that fills page cache from ever being throttled, at two percent of a core at most", () =>
    Effect.gen(function* () {
      const files = filesToRead()
      // On an emulated machine the first run of each pays for code that is translated then; the second ones are compared.
      const [, keptAtFirst, alone, kept] = yield* Effect.forEach([none, watermark, none, watermark], (policy) =>
        filled("wmo-fills", policy, files)
      )
      console.log(`watermark takes ${(kept!.cpu - alone!.cpu).toFixed(2)} % of a core more than watching`)
      assert.isAbove(alone!.throttled, 0)
      assert.deepStrictEqual([keptAtFirst!.throttled, kept!.throttled], [0, 0])
      assert.isAbove(kept!.requests, 0)
      // What the kernel does for it, and what deciding takes beyond watching.
      assert.isAtMost(kept!.reclaim, 2)
      assert.isAtMost(kept!.cpu - alone!.cpu, 2)
    }).pipe(Effect.provide(kernel))
  )
})
