/** Processes as `/proc` shows them, and advice on their memory. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { KernFs, type KernelError } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { isKernelThread, processStat } from "../processes/ProcessStat.ts"
import { Processes } from "../processes/Processes.ts"
import { ProcessMemory } from "../processes/ProcessMemory.ts"
import { lengthOf, memoryOf, type TestMemory } from "./testProcess.ts"

const mib = 2 ** 20
const size = 64 * mib
const patience = 120_000

const tagOf = (error: KernelError): string => (error._tag === "KernFsError" ? error.reason._tag : error._tag)
const refusal = <A, R>(effect: Effect.Effect<A, KernelError, R>) => Effect.map(Effect.flip(effect), tagOf)

/** On a real kernel it needs root, swap that takes 64 MiB, and no transparent huge pages but where a process asks for them. */
export const testProcesses = <E>(
  name: string,
  layer: Layer.Layer<KernFs | Processes | ProcessMemory, E>,
  makeProcess: TestMemory
): void => {
  withLayer(layer, { excludeTestServices: true })(`Processes on ${name}`, (it) => {
    it.effect("a process is listed, named, and told from others by its start time", () =>
      Effect.gen(function* () {
        const processes = yield* Processes
        const { pid } = yield* makeProcess(mib)
        assert.include(yield* processes.list, pid)
        const stat = yield* processes.stat(pid)
        assert.strictEqual(stat.pid, pid)
        assert.include(["R", "S", "D"], stat.state)
        assert.isFalse(isKernelThread(stat))
        const identity = yield* processes.identity(pid)
        assert.isTrue(yield* processes.alive(identity))
        assert.isFalse(yield* processes.alive({ pid, startTime: identity.startTime + 1n }))
        assert.include(yield* processes.children(stat.ppid), pid)
        assert.strictEqual((yield* processes.status(pid)).fields["PPid"], String(stat.ppid))
        assert.isString(yield* processes.cgroup(pid))
      })
    )

    it.effect("all files agree on its memory", () =>
      Effect.gen(function* () {
        const processes = yield* Processes
        const { pid } = yield* makeProcess(size)
        const [smaps, maps, rollup, status, statm, stat] = yield* Effect.all([
          processes.smaps(pid),
          processes.maps(pid),
          processes.smapsRollup(pid),
          processes.status(pid),
          processes.size(pid),
          processes.stat(pid)
        ])
        assert.deepStrictEqual(
          maps.map(({ start }) => start),
          smaps.map(({ start }) => start)
        )
        const sum = (key: string) => smaps.reduce((bytes, { amounts }) => bytes + (amounts[key] ?? 0), 0)
        const rss = rollup!.amounts.Rss!
        assert.isAtLeast(rss, size)
        for (const [what, bytes] of [
          ["smaps", sum("Rss")],
          ["VmRSS", status.amounts.VmRSS!],
          ["statm", statm.resident * 4096],
          ["stat", stat.rssPages * 4096]
        ] as const) {
          assert.approximately(bytes, rss, 8 * mib, what)
        }
        assert.approximately(sum("Anonymous"), rollup!.amounts.Anonymous!, 8 * mib)
        assert.strictEqual(rollup!.start, maps[0]!.start)
        // Its last mapping is the vsyscall page on x86-64, which the rollup leaves out.
        assert.include(
          maps.slice(-2).map(({ end }) => end),
          rollup!.end
        )
        const memory = yield* memoryOf(pid)
        assert.isAtLeast(lengthOf(memory), size)
        assert.strictEqual(memory.permissions, "rw-p")
        assert.include(memory.flags, "wr")
        assert.strictEqual(memory.amounts.Size, lengthOf(memory))
      })
    )

    it.effect("clear_refs: accessed bits are gone until memory is touched again, soft-dirty and the peak can be reset, else Invalid", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { proc } = yield* KernelRoots
        const processes = yield* Processes
        const { pid, touch } = yield* makeProcess(size)
        const referenced = Effect.map(memoryOf(pid), ({ amounts }) => amounts.Referenced!)
        assert.isAtLeast(yield* referenced, size)
        for (const what of ["all", "anon"] as const) {
          yield* processes.clearRefs(pid, what)
          assert.isAtMost(yield* referenced, 4 * mib, what)
          yield* touch
          assert.isAtLeast(yield* referenced, size, what)
        }
        yield* processes.clearRefs(pid, "file")
        assert.isAtLeast(yield* referenced, size)
        yield* processes.clearRefs(pid, "softDirty")
        yield* processes.clearRefs(pid, "peakRss")
        const { amounts } = yield* processes.status(pid)
        assert.approximately(amounts.VmHWM!, amounts.VmRSS!, 8 * mib)
        for (const garbage of ["0", "6", "x"]) {
          assert.strictEqual(yield* refusal(fs.writeBlocking(`${proc}/${pid}/clear_refs`, garbage)), "Invalid", garbage)
        }
      })
    )

    it.effect(
      "whatever runs here, its files are understood",
      () =>
        Effect.gen(function* () {
          const processes = yield* Processes
          yield* makeProcess(mib)
          let understood = 0
          for (const pid of yield* processes.list) {
            const files: ReadonlyArray<Effect.Effect<unknown, KernelError>> = [
              processes.stat(pid),
              processes.status(pid),
              processes.size(pid),
              processes.maps(pid),
              processes.smaps(pid),
              processes.smapsRollup(pid),
              processes.cgroup(pid),
              processes.children(pid)
            ]
            for (const file of files) {
              const result = yield* Effect.result(file)
              // It may have ended since it was listed.
              if (result._tag === "Failure")
                assert.isTrue(result.failure._tag === "KernFsError" && result.failure.isGone, result.failure.message)
              else understood++
            }
          }
          assert.isAtLeast(understood, 8 * 3)
        }),
      patience
    )

    it.effect("a kernel thread has no memory: no mappings, no rollup", () =>
      Effect.gen(function* () {
        const processes = yield* Processes
        const kthreadd = 2
        assert.isTrue(isKernelThread(yield* processes.stat(kthreadd)))
        assert.deepStrictEqual(yield* processes.smaps(kthreadd), [])
        assert.deepStrictEqual(yield* processes.maps(kthreadd), [])
        assert.isUndefined(yield* processes.smapsRollup(kthreadd))
        assert.isUndefined((yield* processes.status(kthreadd)).amounts.VmRSS)
        assert.strictEqual((yield* processes.size(kthreadd)).resident, 0)
        yield* processes.clearRefs(kthreadd, "all")
        assert.isTrue(yield* processes.alive(yield* processes.identity(kthreadd)))
      })
    )

    it.effect("once it has ended, everything says that it is gone", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { proc } = yield* KernelRoots
        const processes = yield* Processes
        const memory = yield* ProcessMemory
        const { end, pid } = yield* makeProcess(mib)
        const identity = yield* processes.identity(pid)
        const held = yield* fs.hold(`${proc}/${pid}/stat`, processStat)
        const opened = yield* memory.open(identity)
        const range = yield* memoryOf(pid)
        yield* end
        assert.isFalse(yield* processes.alive(identity))
        const attempts: ReadonlyArray<readonly [string, Effect.Effect<unknown, KernelError>]> = [
          ["stat", processes.stat(pid)],
          ["status", processes.status(pid)],
          ["statm", processes.size(pid)],
          ["smaps", processes.smaps(pid)],
          ["smaps_rollup", processes.smapsRollup(pid)],
          ["maps", processes.maps(pid)],
          ["cgroup", processes.cgroup(pid)],
          ["children", processes.children(pid)],
          ["clear_refs", processes.clearRefs(pid, "all")],
          ["open", Effect.scoped(memory.open(identity))]
        ]
        for (const [what, attempt] of attempts) {
          const error = yield* Effect.flip(attempt)
          assert.isTrue(error._tag === "KernFsError" && error.isGone, `${what}: ${error.message}`)
        }
        assert.strictEqual(yield* refusal(held.read), "NoProcess")
        assert.strictEqual(yield* refusal(opened.advise("cold", [{ start: range.start, bytes: 4096 }])), "NoProcess")
      })
    )

    it.effect(
      "page out moves memory to swap; touching brings it back by major faults, after will need by minor ones",
      () =>
        Effect.gen(function* () {
          const processes = yield* Processes
          const { pid, touch } = yield* makeProcess(size)
          const { advise } = yield* (yield* ProcessMemory).open({ pid })
          const range = yield* memoryOf(pid)
          const ranges = [{ start: range.start, bytes: lengthOf(range) }]
          const pageOut = Effect.gen(function* () {
            const out = yield* advise("pageout", ranges)
            assert.strictEqual(out.bytes, lengthOf(range))
            assert.deepStrictEqual(out.ranges, [{ bytes: lengthOf(range) }])
            const { amounts } = (yield* processes.smapsRollup(pid))!
            assert.isAtLeast(amounts.Swap!, 0.9 * size)
            assert.isAtMost((yield* memoryOf(pid)).amounts.Rss!, 0.1 * size)
            assert.isAtLeast((yield* processes.status(pid)).amounts.VmSwap!, 0.9 * size)
          })
          const majorFaultsOfTouch = Effect.gen(function* () {
            const before = yield* processes.stat(pid)
            yield* touch
            const after = yield* processes.stat(pid)
            assert.isAtLeast((yield* memoryOf(pid)).amounts.Rss!, size)
            return Number(after.majorFaults - before.majorFaults)
          })
          yield* pageOut
          const reactive = yield* majorFaultsOfTouch
          assert.isAtLeast(reactive, size / 4096 / 16)
          yield* pageOut
          assert.strictEqual((yield* advise("willneed", ranges)).bytes, lengthOf(range))
          assert.isAtMost(yield* majorFaultsOfTouch, reactive / 8)
        }),
      patience
    )

    it.effect("cold moves nothing; collapse makes huge pages of whole ones", () =>
      Effect.gen(function* () {
        const { pid } = yield* makeProcess(size)
        const { advise } = yield* (yield* ProcessMemory).open({ pid })
        const range = yield* memoryOf(pid)
        const whole = { start: range.start, bytes: lengthOf(range) }
        assert.strictEqual((yield* advise("cold", [whole])).bytes, lengthOf(range))
        assert.isAtLeast((yield* memoryOf(pid)).amounts.Rss!, size)
        const start = (range.start / BigInt(2 * mib) + 1n) * BigInt(2 * mib)
        assert.strictEqual((yield* advise("collapse", [{ start, bytes: 8 * mib }])).bytes, 8 * mib)
        assert.strictEqual((yield* memoryOf(pid)).amounts.AnonHugePages, 8 * mib)
      })
    )

    it.effect("what is not mapped is refused and passed over; more than 1024 ranges are taken; the identity is minded", () =>
      Effect.gen(function* () {
        const processes = yield* Processes
        const memory = yield* ProcessMemory
        const { pid } = yield* makeProcess(size)
        const { startTime } = yield* processes.stat(pid)
        const { advise } = yield* memory.open({ pid, startTime })
        const { start } = yield* memoryOf(pid)
        const hole = { start: 65_536n, bytes: 4096 }
        const one = { start, bytes: 4096 }
        const some = yield* advise("cold", [one, hole, one])
        assert.strictEqual(some.bytes, 8192)
        assert.deepStrictEqual(some.ranges, [{ bytes: 4096 }, { bytes: 0, refused: { _tag: "Other", errno: "ENOMEM" } }, { bytes: 4096 }])
        assert.deepStrictEqual((yield* advise("cold", [{ start: start + 1n, bytes: 4096 }])).ranges[0]!.refused, { _tag: "Invalid" })
        const many = Array.from({ length: 3000 }, (_, i) => ({ start: start + BigInt(i) * 8192n, bytes: 4096 }))
        const taken = yield* advise("cold", many)
        assert.strictEqual(taken.bytes, 3000 * 4096)
        assert.lengthOf(taken.ranges, 3000)
        assert.deepStrictEqual(yield* advise("cold", []), { bytes: 0, ranges: [] })
        assert.strictEqual(yield* refusal(Effect.scoped(memory.open({ pid, startTime: startTime + 1n }))), "NoProcess")
      })
    )
  })
}
