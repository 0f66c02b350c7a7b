/** The tree of groups and what can be waited for in it: walk, watch, make, freeze, events, peaks, threads, and the core files' refusals. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Queue, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  cgroupEvents,
  cgroupFreeze,
  cgroupMaxDepth,
  cgroupMaxDescendants,
  cgroupThreads,
  cgroupType,
  cpuStat
} from "../cgroups/groupFiles.ts"
import { ioStat } from "../cgroups/ioStat.ts"
import type { GroupChange } from "../cgroups/watchGroups.ts"
import { Cgroups } from "../Cgroups.ts"
import { Journal } from "../Journal.ts"
import { KernFs, type KernelError } from "../KernFs.ts"
import { memoryEventsLocal, memoryOomGroup, memorySwapEvents, memorySwapPeak } from "../Memcg.ts"
import { charge, type ConformanceOptions, makeGroup, scratchName, sleeper } from "./scratch.ts"

const mib = 2 ** 20
const patience = Duration.seconds(30)
const reasonOf = <A, R>(effect: Effect.Effect<A, KernelError, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error._tag === "KernFsError" ? error.reason._tag : error.message))

const journal = Layer.unwrap(
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-conformance-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    ),
    (directory) => Journal.layer({ directory, command: "conformance" })
  )
)

/** Needs a mount with `memory` in the root's `cgroup.subtree_control`. */
export const testGroupTree = <E>(name: string, layer: Layer.Layer<KernFs | Cgroups, E>, options?: ConformanceOptions): void => {
  const scratch = scratchName(options, "tree")
  withLayer(layer, { excludeTestServices: true })(`Group tree on ${name}`, (it) => {
    it.effect("core files of a new group say what they say, and refuse what makes no sense", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        assert.strictEqual(yield* cgroups.read(scratch, cgroupType), "domain")
        assert.isFalse(yield* cgroups.read(scratch, cgroupFreeze))
        assert.strictEqual(yield* cgroups.read(scratch, cgroupMaxDepth), "max")
        assert.deepStrictEqual(yield* cgroups.read(scratch, cgroupEvents), { populated: 0n, frozen: 0n })
        assert.strictEqual((yield* cgroups.stat(scratch)).nr_descendants, 0n)
        assert.deepStrictEqual(yield* cgroups.read(scratch, cgroupThreads), [])
        const { system_usec: system, usage_usec: usage, user_usec: user } = yield* cgroups.read(scratch, cpuStat)
        assert.deepStrictEqual([usage, user, system], [0n, 0n, 0n])
        assert.isDefined((yield* cgroups.read("", cpuStat)).usage_usec)
        yield* cgroups.read("", ioStat)
        assert.strictEqual((yield* cgroups.read(scratch, memoryEventsLocal)).oom_group_kill, 0n)
        assert.deepStrictEqual(yield* cgroups.read(scratch, memorySwapEvents), { high: 0n, max: 0n, fail: 0n })
        assert.isFalse(yield* cgroups.read(scratch, memoryOomGroup))
        const refusals: ReadonlyArray<readonly [file: string, text: string, reason: string]> = [
          ["cgroup.freeze", "2", "OutOfRange"],
          ["cgroup.freeze", "x", "Invalid"],
          ["cgroup.pressure", "2", "OutOfRange"],
          ["cgroup.kill", "0", "OutOfRange"],
          ["cgroup.kill", "x", "Invalid"],
          ["cgroup.max.depth", "-1", "OutOfRange"],
          ["cgroup.max.depth", "x", "Invalid"],
          ["cgroup.max.descendants", "99999999999", "OutOfRange"],
          ["memory.oom.group", "2", "Invalid"],
          ["cgroup.type", "domain", "Invalid"],
          ["cgroup.procs", "x", "Invalid"],
          ["cgroup.procs", "99999999", "NoProcess"]
        ]
        for (const [file, text, reason] of refusals) {
          assert.strictEqual(yield* reasonOf(fs.write(cgroups.path(scratch, file), text)), reason, `${text} > ${file}`)
        }
      })
    )

    it.effect("depth and descendants have limits: mkdir is Again beyond", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        const child = cgroups.path(`${scratch}/a`)
        yield* cgroups.write(scratch, cgroupMaxDepth, 0)
        assert.strictEqual(yield* reasonOf(fs.mkdir(child)), "Again")
        yield* cgroups.write(scratch, cgroupMaxDepth, 1)
        yield* cgroups.write(scratch, cgroupMaxDescendants, 0)
        assert.strictEqual(yield* reasonOf(fs.mkdir(child)), "Again")
        yield* cgroups.write(scratch, cgroupMaxDescendants, "max")
        yield* makeGroup(`${scratch}/a`)
        assert.strictEqual((yield* cgroups.stat(scratch)).nr_descendants, 1n)
        assert.strictEqual(yield* reasonOf(fs.mkdir(`${child}/b`)), "Again")
      })
    )

    it.effect("files come and go with their controllers, cpu's and io's too", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        yield* makeGroup(`${scratch}/a`)
        const control = cgroups.path(scratch, "cgroup.subtree_control")
        const has = (file: string) => fs.exists(cgroups.path(`${scratch}/a`, file))
        const available = yield* cgroups.controllers(scratch)
        for (const [controller, file] of [
          ["io", "io.stat"],
          ["cpu", "cpu.weight"]
        ] as const) {
          if (!available.includes(controller)) {
            assert.strictEqual(yield* reasonOf(fs.write(control, `+${controller}`)), "NotFound", controller)
            continue
          }
          assert.isFalse(yield* has(file), file)
          yield* fs.write(control, `+${controller}`)
          assert.isTrue(yield* has(file), file)
          yield* fs.write(control, `-${controller}`)
          assert.isFalse(yield* has(file), file)
        }
        // With and without.
        for (const file of ["cpu.stat", "cpu.pressure", "io.pressure"]) assert.isTrue(yield* has(file), file)
      })
    )

    it.effect("threaded groups: their siblings are invalid, and there is no way back", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        for (const child of ["a", "a/b", "c"]) yield* makeGroup(`${scratch}/${child}`)
        yield* cgroups.write(`${scratch}/a`, cgroupType, "threaded")
        const types: Array<string> = []
        for (const group of ["", "/a", "/a/b", "/c"]) types.push(yield* cgroups.read(`${scratch}${group}`, cgroupType))
        assert.deepStrictEqual(types, ["domain threaded", "threaded", "domain invalid", "domain invalid"])
        assert.strictEqual(yield* reasonOf(cgroups.write(`${scratch}/a`, cgroupType, "domain")), "Invalid")
        assert.strictEqual(yield* reasonOf(cgroups.processes(`${scratch}/a`)), "NotSupported")
        assert.deepStrictEqual(yield* cgroups.read(`${scratch}/a`, cgroupThreads), [])
        const pid = yield* sleeper(scratch)
        assert.strictEqual(yield* reasonOf(cgroups.move(pid, `${scratch}/c`)), "NotSupported")
        yield* cgroups.move(pid, `${scratch}/a`)
        assert.include(yield* cgroups.read(`${scratch}/a`, cgroupThreads), pid)
        assert.strictEqual(yield* reasonOf(fs.write(cgroups.path(scratch, "cgroup.subtree_control"), "+memory")), "NotSupported")
      })
    )

    it.effect("walk lists parents before children, and fails only where there is no such group", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        for (const child of ["b", "a", "a/x.slice", "a/memory.slice", "a/x.slice/deep"]) yield* makeGroup(`${scratch}/${child}`)
        const names = yield* Stream.runCollect(cgroups.walk(`/${scratch}/`))
        assert.deepStrictEqual(
          [...names].map((name) => name.slice(scratch.length)),
          ["", "/a", "/a/memory.slice", "/a/x.slice", "/a/x.slice/deep", "/b"]
        )
        assert.strictEqual(yield* reasonOf(Stream.runDrain(cgroups.walk(`${scratch}-none`))), "NotFound")
        // One that vanishes between the listing and its turn.
        const fs = yield* KernFs
        const seen: Array<string> = []
        yield* Stream.runForEach(cgroups.walk(scratch), (group) =>
          Effect.gen(function* () {
            seen.push(group)
            if (group.endsWith("/a/memory.slice")) yield* fs.rmdir(cgroups.path(`${scratch}/b`))
          })
        )
        assert.notInclude(seen, `${scratch}/b`)
        yield* fs.mkdir(cgroups.path(`${scratch}/b`))
      })
    )

    it.effect("watch tells what is there, what appears and what goes, and ends with its group", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        const path = (child: string) => cgroups.path(`${scratch}${child}`)
        yield* fs.mkdir(path(""))
        yield* fs.mkdir(path("/old"))
        const changes = yield* Queue.unbounded<GroupChange>()
        // The tree is listed again only every hour: what is told here was told by the kernel.
        const watching = yield* cgroups.watch(scratch, { every: 3_600_000 }).pipe(
          Stream.runForEach((change) => Queue.offer(changes, change)),
          Effect.forkChild
        )
        const next = Effect.map(
          Effect.timeout(Queue.take(changes), patience),
          ({ _tag, group }) => `${_tag} ${group.slice(scratch.length)}`
        )
        assert.strictEqual(yield* next, "Appeared /old")
        yield* fs.mkdir(path("/new"))
        assert.strictEqual(yield* next, "Appeared /new")
        yield* fs.mkdir(path("/new/deep"))
        assert.strictEqual(yield* next, "Appeared /new/deep")
        yield* fs.rmdir(path("/new/deep"))
        assert.strictEqual(yield* next, "Gone /new/deep")
        yield* fs.rmdir(path("/old"))
        assert.strictEqual(yield* next, "Gone /old")
        yield* fs.rmdir(path("/new"))
        assert.strictEqual(yield* next, "Gone /new")
        yield* fs.rmdir(path(""))
        assert.strictEqual(yield* next, "Gone ")
        yield* Effect.timeout(Fiber.join(watching), patience)
        assert.strictEqual(yield* reasonOf(Stream.runDrain(cgroups.watch(scratch))), "NotFound")
      })
    )

    it.effect("make enables what is needed above, removes what it made, and the journal gives the rest back", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Effect.scoped(
              Effect.gen(function* () {
                yield* cgroups.make(`${scratch}/run/one`)
                assert.deepStrictEqual(yield* cgroups.enabledControllers(scratch), ["memory"])
                assert.isTrue(yield* fs.exists(cgroups.path(`${scratch}/run/one`, "memory.high")))
                assert.strictEqual(
                  yield* Effect.map(Effect.flip(Effect.scoped(cgroups.make(`${scratch}/run/one`))), (error) =>
                    error._tag === "KernFsError" ? error.reason._tag : error._tag
                  ),
                  "Exists"
                )
              })
            )
            assert.isFalse(yield* cgroups.exists(`${scratch}/run`))
          }).pipe(Effect.provide(journal))
        )
        assert.deepStrictEqual(yield* cgroups.enabledControllers(scratch), [])
      })
    )

    it.effect("events are told: populated as processes come and go, and a group that is gone fails", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        yield* fs.mkdir(cgroups.path(`${scratch}/a`))
        const values = yield* Queue.unbounded<bigint>()
        const watch = (group: string) =>
          cgroups.watchFile(group, cgroupEvents).pipe(
            Stream.map(({ populated }) => populated!),
            Stream.changes,
            Stream.runForEach((value) => Queue.offer(values, value))
          )
        // Events of the group below count above too.
        yield* Effect.forkChild(watch(scratch))
        const next = Effect.timeout(Queue.take(values), patience)
        assert.strictEqual(yield* next, 0n)
        const pid = yield* sleeper(`${scratch}/a`)
        assert.strictEqual(yield* next, 1n)
        const empty = yield* Effect.forkChild(cgroups.awaitEmpty(`${scratch}/a`))
        yield* Effect.sleep(Duration.millis(30))
        assert.isUndefined(empty.pollUnsafe())
        yield* cgroups.move(pid, "")
        assert.strictEqual(yield* next, 0n)
        yield* Effect.timeout(Fiber.join(empty), patience)
        const gone = yield* Effect.forkChild(reasonOf(Stream.runDrain(cgroups.watchFile(`${scratch}/a`, cgroupEvents))))
        yield* Effect.sleep(Duration.millis(30))
        yield* fs.rmdir(cgroups.path(`${scratch}/a`))
        assert.strictEqual(yield* Effect.timeout(Fiber.join(gone), patience), "NoDevice")
        yield* cgroups.awaitEmpty(`${scratch}/a`)
      })
    )

    it.effect("freeze waits until all below are frozen, thaw until they run", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        yield* makeGroup(scratch)
        yield* makeGroup(`${scratch}/a`)
        yield* sleeper(`${scratch}/a`)
        yield* Effect.timeout(cgroups.freeze(scratch), patience)
        assert.strictEqual((yield* cgroups.read(`${scratch}/a`, cgroupEvents)).frozen, 1n)
        assert.isFalse(yield* cgroups.read(`${scratch}/a`, cgroupFreeze))
        yield* Effect.timeout(cgroups.thaw(scratch), patience)
        assert.strictEqual((yield* cgroups.read(`${scratch}/a`, cgroupEvents)).frozen, 0n)
        assert.strictEqual(yield* reasonOf(cgroups.freeze(`${scratch}-none`)), "NotFound")
      })
    )

    it.effect(
      "a peak starts anew for the descriptor that resets it, where the kernel can",
      () =>
        Effect.gen(function* () {
          const cgroups = yield* Cgroups
          yield* makeGroup(scratch)
          yield* charge(scratch, 32 * mib)
          const ours = yield* cgroups.holdPeak(scratch)
          const others = yield* cgroups.holdPeak(scratch)
          const peak = yield* others.read
          assert.isAtLeast(peak, 32 * mib)
          const canReset = (yield* cgroups.readOptional(scratch, memorySwapPeak)) !== undefined && (yield* isAtLeast612)
          if (canReset) {
            assert.strictEqual(yield* cgroups.reclaim(scratch, { bytes: 8 * mib }), "met")
            yield* ours.reset
            assert.isBelow(yield* ours.read, peak)
          } else assert.strictEqual(yield* reasonOf(ours.reset), "Invalid")
          assert.isAtLeast(yield* others.read, peak)
        }),
      120_000
    )
  })
}

/** `memory.peak` can be reset since 6.12. */
const isAtLeast612 = Effect.gen(function* () {
  const text = new TextDecoder().decode(yield* (yield* KernFs).read("/proc/sys/kernel/osrelease"))
  const [major = 0, minor = 0] = text.split(".").map(Number)
  return major > 6 || (major === 6 && minor >= 12)
})
