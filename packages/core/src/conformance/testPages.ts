/** Pages of a process, by both ways that the kernel has; page frames; the idle bitmap where there is one; zones and physical memory. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { KernFs, type KernelError } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { IdlePages } from "../pages/IdlePages.ts"
import { ioMem, systemRam } from "../pages/IoMem.ts"
import { KernelPages, pageFlagNames } from "../pages/KernelPages.ts"
import { PageMap } from "../pages/PageMap.ts"
import { zoneInfo } from "../pages/ZoneInfo.ts"
import { memInfo } from "../Proc.ts"
import { Processes } from "../processes/Processes.ts"
import { ProcessMemory } from "../processes/ProcessMemory.ts"
import { lengthOf, memoryOf, type TestMemory } from "./testProcess.ts"

const mib = 2 ** 20
const size = 64 * mib
const patience = 120_000

const tagOf = (error: KernelError): string => (error._tag === "KernFsError" ? error.reason._tag : error._tag)
const refusal = <A, R>(effect: Effect.Effect<A, KernelError, R>) => Effect.map(Effect.flip(effect), tagOf)

/** As `testProcesses`. `kernel`: what this kernel has; what it has not, is asserted to be refused. */
export const testPages = <E>(
  name: string,
  layer: Layer.Layer<KernFs | Processes | ProcessMemory | PageMap | KernelPages | IdlePages, E>,
  makeProcess: TestMemory,
  kernel: { readonly pagemapScan: boolean; readonly idleTracking: boolean }
): void => {
  withLayer(layer, { excludeTestServices: true })(`Pages on ${name}`, (it) => {
    it.effect(
      "pagemap agrees with smaps, before and after half of it was paged out; both ways find the same",
      () =>
        Effect.gen(function* () {
          const pageMap = yield* PageMap
          const { pid } = yield* makeProcess(size)
          const { advise } = yield* (yield* ProcessMemory).open({ pid })
          const found = yield* memoryOf(pid)
          const whole = { start: found.start, bytes: lengthOf(found) }
          const half = { start: found.start, bytes: Math.floor(whole.bytes / 8192) * 4096 }
          for (const isOut of [false, true]) {
            if (isOut) yield* advise("pageout", [half])
            const { amounts } = yield* memoryOf(pid)
            const counts = yield* pageMap.count(pid, [whole])
            assert.strictEqual(counts.pages, whole.bytes / 4096)
            assert.approximately(counts.present * 4096, amounts.Rss!, mib)
            assert.approximately(counts.swapped * 4096, amounts.Swap!, mib)
            if (isOut) assert.isAtLeast(counts.swapped * 4096, 0.8 * half.bytes)
            const read = yield* pageMap.scan(pid, [whole], { via: "read" })
            assert.strictEqual(read.via, "read")
            assert.deepStrictEqual([read.present, read.swapped], [counts.present, counts.swapped])
            assert.strictEqual(
              read.runs.reduce((sum, { bytes }) => sum + bytes, 0),
              (counts.present + counts.swapped) * 4096
            )
            const best = yield* pageMap.scan(pid, [found])
            if (kernel.pagemapScan) {
              const scanned = yield* pageMap.scan(pid, [whole], { via: "ioctl" })
              assert.deepStrictEqual({ ...scanned, via: "read" }, read)
              assert.deepStrictEqual(best, scanned)
            } else {
              assert.strictEqual(yield* refusal(pageMap.scan(pid, [whole], { via: "ioctl" })), "NotSupported")
              assert.deepStrictEqual(best, read)
            }
          }
        }),
      patience
    )

    it.effect(
      "every other page out: thousands of runs, alike by both ways, and runs can be advised on",
      () =>
        Effect.gen(function* () {
          const pageMap = yield* PageMap
          const { pid, touch } = yield* makeProcess(size)
          const { advise } = yield* (yield* ProcessMemory).open({ pid })
          const found = yield* memoryOf(pid)
          const odd = Array.from({ length: 4000 }, (_, i) => ({ start: found.start + BigInt(2 * i + 1) * 4096n, bytes: 4096 }))
          yield* advise("pageout", odd)
          const read = yield* pageMap.scan(pid, [found], { via: "read" })
          assert.isAtLeast(read.swapped, 3000)
          assert.isAtLeast(read.runs.length, 3000)
          const best = yield* pageMap.scan(pid, [found])
          assert.deepStrictEqual({ ...best, via: "read" }, read)
          assert.strictEqual(best.via, kernel.pagemapScan ? "ioctl" : "read")
          const swappedRuns = read.runs.filter(({ place }) => place === "swapped")
          assert.strictEqual((yield* advise("willneed", swappedRuns)).bytes, read.swapped * 4096)
          yield* touch
          assert.isAtMost((yield* pageMap.scan(pid, [found])).swapped, read.swapped / 8)
        }),
      patience
    )

    it.effect("soft-dirty pages are those written since it was cleared", () =>
      Effect.gen(function* () {
        const processes = yield* Processes
        const pageMap = yield* PageMap
        const { pid, touch } = yield* makeProcess(size)
        const range = yield* memoryOf(pid)
        yield* processes.clearRefs(pid, "softDirty")
        assert.isAtMost((yield* pageMap.count(pid, [range])).softDirty * 4096, mib)
        const written = Effect.map(pageMap.softDirty(pid, [range]), (runs) => runs.reduce((sum, { bytes }) => sum + bytes, 0))
        assert.isAtMost(yield* written, mib)
        yield* touch
        assert.isAtLeast(yield* written, size)
        assert.isAtLeast((yield* pageMap.count(pid, [range])).softDirty * 4096, size)
      })
    )

    it.effect("all of its mappings can be scanned, the vsyscall page too; a kernel thread and one that has ended have none", () =>
      Effect.gen(function* () {
        const processes = yield* Processes
        const pageMap = yield* PageMap
        const { end, pid } = yield* makeProcess(size)
        const mappings = yield* processes.maps(pid)
        const { amounts } = (yield* processes.smapsRollup(pid))!
        const { present } = yield* pageMap.scan(pid, mappings)
        assert.approximately(present * 4096, amounts.Rss!, 8 * mib)
        assert.approximately((yield* pageMap.scan(pid, mappings, { via: "read" })).present, present, 64)
        assert.strictEqual((yield* pageMap.scan(2, yield* processes.maps(2))).present, 0)
        assert.strictEqual(yield* refusal(pageMap.count(2, mappings)), "NoProcess")
        yield* end
        for (const attempt of [pageMap.scan(pid, mappings), pageMap.count(pid, mappings), pageMap.frames(pid, mappings)]) {
          const error = yield* Effect.flip(attempt as Effect.Effect<unknown, KernelError>)
          assert.isTrue(error._tag === "KernFsError" && error.isGone, error.message)
        }
      })
    )

    it.effect("frames: where its pages are, and what the kernel says of them", () =>
      Effect.gen(function* () {
        const kernelPages = yield* KernelPages
        const { pid } = yield* makeProcess(size)
        const range = yield* memoryOf(pid)
        const { frames, pages } = yield* (yield* PageMap).frames(pid, [range])
        assert.isAtLeast(frames.length * 4096, size)
        assert.strictEqual(new Set(frames).size, frames.length)
        assert.isAtLeast(pages[0]!, Number(range.start / 4096n))
        const middle = frames[Math.floor(frames.length / 2)]!
        const [flags] = yield* kernelPages.flags(middle, 1)
        assert.includeMembers([...pageFlagNames(flags!)], ["mmap", "anon", "swapbacked"])
        assert.deepStrictEqual(yield* kernelPages.mapCounts(middle, 1), BigUint64Array.of(1n))
        assert.isAbove(Number((yield* kernelPages.groups(middle, 1))[0]!), 0)
        assert.lengthOf(yield* kernelPages.flags(2 ** 40, 4), 0)
      })
    )

    it.effect("files of words take whole words only", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { proc } = yield* KernelRoots
        const { pid } = yield* makeProcess(mib)
        for (const file of [`${pid}/pagemap`, "kpageflags", "kpagecount"]) {
          const { readInto } = yield* fs.open(`${proc}/${file}`, "read")
          for (const [length, position] of [
            [8, 4],
            [7, 0],
            [12, 8]
          ] as const) {
            const answer = readInto(new Uint8Array(length), position)
            assert.strictEqual(answer._tag === "Failure" && answer.failure.reason._tag, "Invalid", `${file} ${length} at ${position}`)
          }
        }
      })
    )

    it.effect("idle pages: marked until they are touched; without idle tracking NotFound", () =>
      Effect.gen(function* () {
        const idlePages = yield* IdlePages
        const { pid, touch } = yield* makeProcess(size)
        const range = yield* memoryOf(pid)
        assert.strictEqual(yield* idlePages.available, kernel.idleTracking)
        if (!kernel.idleTracking) {
          assert.strictEqual(yield* refusal(Effect.scoped(idlePages.bitmap)), "NotFound")
          assert.strictEqual(yield* refusal(idlePages.mark(pid, [range])), "NotFound")
          return
        }
        const { check, marked } = yield* idlePages.mark(pid, [range])
        assert.isAtLeast(marked * 4096, 0.9 * size)
        const before = yield* check
        assert.isAtLeast(before.idle, 0.9 * marked)
        assert.strictEqual(
          before.idleRanges.reduce((sum, { bytes }) => sum + bytes, 0),
          before.idle * 4096
        )
        yield* touch
        const after = yield* check
        assert.isAtMost(after.idle, 0.1 * marked)
        assert.strictEqual(after.idle + after.used + after.gone, marked)
        const { advise } = yield* (yield* ProcessMemory).open({ pid })
        yield* advise("pageout", [{ start: range.start, bytes: lengthOf(range) }])
        assert.isAtLeast((yield* check).gone, 0.9 * marked)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { mark, read } = yield* idlePages.bitmap
            assert.lengthOf(yield* read(2 ** 34, 1), 0)
            const error = yield* Effect.flip(mark(2 ** 34, BigUint64Array.of(1n)))
            assert.deepStrictEqual(error.reason, { _tag: "Other", errno: "ENXIO" })
          })
        )
      })
    )

    it.effect("zones and physical memory are understood", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const { proc } = yield* KernelRoots
        const total = (yield* fs.decode(`${proc}/meminfo`, memInfo))["MemTotal"]!
        const zones = yield* fs.decode(`${proc}/zoneinfo`, zoneInfo)
        assert.approximately(zones.reduce((sum, { pages }) => sum + (pages.managed ?? 0), 0) * 4096, total, 64 * mib)
        assert.isDefined(zones[0]!.nodeCounters?.["nr_anon_pages"])
        const { cpus, pages } = zones.reduce((largest, zone) => ((zone.pages.managed ?? 0) > (largest.pages.managed ?? 0) ? zone : largest))
        assert.isTrue(pages.min! <= pages.low! && pages.low! <= pages.high! && pages.free! <= pages.managed!)
        assert.isAtLeast(cpus.length, 1)
        const ram = systemRam(yield* fs.decode(`${proc}/iomem`, ioMem))
        assert.approximately(
          ram.reduce((sum, { end, start }) => sum + Number(end - start) + 1, 0),
          total,
          256 * mib
        )
      })
    )
  })
}
