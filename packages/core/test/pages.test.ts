/** Entries of pagemap, ranges at the edges of chunks, and idle pages of a process among others. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import fc from "fast-check"
import {
  countPages,
  IdlePages,
  KernelPages,
  KernFs,
  noPages,
  pageFlagNames,
  PageMap,
  type PagemapEntry,
  type PageScan,
  pagemapEntry
} from "../src/index.ts"
import { SystemCalls } from "../src/native/SystemCalls.ts"
import { putPagemapEntry } from "../src/pages/PagemapEntry.ts"
import { FakeKernel } from "../src/testing.ts"

const mib = 2 ** 20
const words = (...entries: ReadonlyArray<bigint>): Uint32Array => new Uint32Array(BigUint64Array.from(entries).buffer)
const bit = (n: number): bigint => 1n << BigInt(n)
const plain = { present: false, swapped: false, softDirty: false, exclusive: false, uffdWriteProtected: false, guard: false, file: false }

const entry: fc.Arbitrary<PagemapEntry> = fc
  .tuple(
    fc.record({
      softDirty: fc.boolean(),
      exclusive: fc.boolean(),
      uffdWriteProtected: fc.boolean(),
      guard: fc.boolean(),
      file: fc.boolean()
    }),
    fc.constantFrom("none", "present", "swapped"),
    fc.bigInt(0n, 2n ** 50n - 1n).map(Number),
    fc.nat(31)
  )
  .map(([flags, place, number, type]) => ({
    ...flags,
    present: place === "present",
    swapped: place === "swapped",
    ...(place === "present" ? { pfn: number } : {}),
    ...(place === "swapped" ? { swap: { type, offset: number } } : {})
  }))

describe("pagemap entries", () => {
  it("reads each bit where the kernel's documentation puts it", () => {
    const is = (word: bigint, expected: Partial<PagemapEntry>) =>
      assert.deepStrictEqual(pagemapEntry(words(0n, word), 1), { ...plain, ...expected })
    is(0n, {})
    is(bit(63) | 0x12345n, { present: true, pfn: 0x12345 })
    is(bit(63) | (bit(55) - 1n), { present: true, pfn: Number(bit(55) - 1n) })
    is(bit(62) | 3n | (0x1_2345_6789n << 5n), { swapped: true, swap: { type: 3, offset: 0x1_2345_6789 } })
    is(bit(61), { file: true })
    is(bit(58), { guard: true })
    is(bit(57), { uffdWriteProtected: true })
    is(bit(56), { exclusive: true })
    is(bit(55), { softDirty: true })
  })

  it("reads back what it wrote, and counts as it reads (property)", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 60 }), fc.nat(60), fc.nat(60), (entries, a, b) => {
        const [from, to] = [Math.min(a, b, entries.length), Math.min(Math.max(a, b), entries.length)] as const
        const buffer = new Uint32Array(entries.length * 2)
        entries.forEach((value, i) => putPagemapEntry(buffer, i, value))
        assert.deepStrictEqual(
          entries.map((_, i) => pagemapEntry(buffer, i)),
          entries
        )
        const counts = noPages()
        countPages(buffer, from, to, counts)
        const of = (is: (value: PagemapEntry) => boolean) => entries.slice(from, to).filter(is).length
        const isThere = ({ present, swapped }: PagemapEntry) => present || swapped
        assert.deepStrictEqual(counts, {
          pages: to - from,
          present: of(({ present }) => present),
          swapped: of(({ swapped }) => swapped),
          softDirty: of((value) => value.softDirty && isThere(value)),
          exclusive: of((value) => value.exclusive && isThere(value)),
          uffdWriteProtected: of((value) => value.uffdWriteProtected),
          guard: of((value) => value.guard),
          file: of((value) => value.file && isThere(value))
        })
      }),
      { seed: 20261121, numRuns: 500 }
    )
  })

  it("names flags of page frames", () => {
    assert.deepStrictEqual(pageFlagNames(bit(12) | bit(14) | bit(25) | bit(40)), ["anon", "swapbacked", "idle"])
  })
})

/** A process of 200 MiB, the pages of which are where `place` says. */
const scattered = (place: (page: number) => "none" | "present" | "swapped") => {
  const kernel = new FakeKernel({ idlePages: true })
  const process = kernel.processes.add()
  const mapping = process.map(200 * mib)
  for (let i = 0; i < mapping.pages.length; i++) {
    const at = mapping.start + BigInt(i) * 4096n
    if (place(i) !== "none") process.touch(at, 4096)
    if (place(i) === "swapped") process.pageOut(at, 4096, true)
  }
  return { kernel, process, mapping }
}

const textOf = ({ pages, present, runs, swapped }: PageScan): string =>
  [pages, present, swapped, ...runs.map(({ bytes, place, start }) => `${start} ${bytes} ${place}`)].join("\n")

describe("PageMap", () => {
  it.effect("finds the same by both ways, whatever lies at the edges of chunks and answers", () => {
    // Runs that span the 16 Ki pages of a read, and far more of them than the 1024 of an answer.
    const place = (i: number) =>
      i % 16_384 > 16_000 || i % 16_384 < 300 ? "present" : i % 5 === 0 ? "swapped" : i % 7 === 0 ? "present" : "none"
    const { kernel, mapping, process } = scattered(place)
    return Effect.gen(function* () {
      const pageMap = yield* PageMap
      const part = { start: mapping.start + 4096n, bytes: 150 * mib }
      for (const ranges of [[mapping], [part], [part, mapping], [{ start: 4096n, end: 8192n }], []]) {
        const read = yield* pageMap.scan(process.pid, ranges, { via: "read" })
        const scanned = yield* pageMap.scan(process.pid, ranges, { via: "ioctl" })
        // As text: comparing tens of thousands of objects takes seconds.
        assert.strictEqual(textOf(scanned), textOf(read))
        const counts = yield* pageMap.count(process.pid, ranges)
        assert.deepStrictEqual([counts.pages, counts.present, counts.swapped], [read.pages, read.present, read.swapped])
      }
      const { runs } = yield* pageMap.scan(process.pid, [mapping])
      const found = runs.flatMap(({ bytes, place: where, start }) =>
        Array.from({ length: bytes / 4096 }, (_, i) => [Number((start - mapping.start) / 4096n) + i, where] as const)
      )
      const expected = Array.from(mapping.pages, (_, i) => [i, place(i)] as const).filter(([, where]) => where !== "none")
      assert.strictEqual(found.join("\n"), expected.join("\n"))
      runs.slice(1).forEach((run, i) => {
        const before = runs[i]!
        assert.isTrue(
          before.place !== run.place || before.start + BigInt(before.bytes) < run.start,
          "neighbours that are alike are one run"
        )
      })
    }).pipe(Effect.provide(kernel.layer))
  })

  it.effect("reads where this machine has no binary for system calls", () => {
    const { kernel, mapping, process } = scattered((i) => (i < 10 ? "present" : "none"))
    const layer = Layer.fresh(PageMap.layer).pipe(
      Layer.provide(KernFs.layerOver(kernel.fs)),
      Layer.provide(Layer.succeed(SystemCalls, () => Promise.reject(new Error("no binary"))))
    )
    return Effect.gen(function* () {
      const pageMap = yield* PageMap
      for (let again = 0; again < 2; again++) {
        const { present, via } = yield* pageMap.scan(process.pid, [mapping])
        assert.deepStrictEqual([present, via], [10, "read"])
      }
      const error = yield* Effect.flip(pageMap.scan(process.pid, [mapping], { via: "ioctl" }))
      assert.match(error.message, /^cannot scan \/proc\/\d+\/pagemap: this kernel does not support it/)
    }).pipe(Effect.provide(layer))
  })

  it.effect("frames are hidden from the unprivileged: PermissionDenied, not frame 0", () => {
    const { kernel, mapping, process } = scattered((i) => (i < 10 ? "present" : "none"))
    mapping.frames.fill(0)
    return Effect.gen(function* () {
      const error = yield* Effect.flip((yield* PageMap).frames(process.pid, [mapping]))
      assert.strictEqual(error.reason._tag, "PermissionDenied")
    }).pipe(Effect.provide(kernel.layer))
  })
})

describe("IdlePages", () => {
  it.effect("reads and marks more of the bitmap than the kernel takes in one call", () => {
    const kernel = new FakeKernel({ idlePages: true })
    const process = kernel.processes.add()
    const mapping = process.map(400 * mib)
    process.touch(mapping.start, 400 * mib)
    return Effect.gen(function* () {
      const { check, marked } = yield* (yield* IdlePages).mark(process.pid, [mapping])
      assert.strictEqual(marked, 102_400)
      process.touch(mapping.start + BigInt(300 * mib), 100 * mib)
      const { idle, idleRanges, used } = yield* check
      assert.deepStrictEqual([idle, used, idleRanges.length], [76_800, 25_600, 1])
      const words = yield* Effect.scoped(Effect.flatMap((yield* IdlePages).bitmap, ({ read }) => read(0, 2000)))
      assert.strictEqual(
        words.reduce((sum, word) => sum + word.toString(2).replaceAll("0", "").length, 0),
        idle
      )
    }).pipe(Effect.provide(kernel.layer))
  })

  it.effect("marks the pages of a process and none beside them, and follows them apart", () => {
    const kernel = new FakeKernel({ idlePages: true })
    const [ours, theirs] = [kernel.processes.add(), kernel.processes.add()]
    const [a, b] = [ours.map(mib), theirs.map(mib)]
    // Their frames lie among ours, in the same words of the bitmap.
    for (let i = 0n; i < 256n; i++) {
      ours.touch(a.start + i * 4096n, 4096)
      theirs.touch(b.start + i * 4096n, 4096)
    }
    return Effect.gen(function* () {
      const idlePages = yield* IdlePages
      const { check, marked, unmarked } = yield* idlePages.mark(ours.pid, [a])
      assert.deepStrictEqual([marked, unmarked], [256, 0])
      const flags = yield* (yield* KernelPages).flags(b.frames[17]!, 1)
      assert.notInclude(pageFlagNames(flags[0]!), "idle")
      assert.deepStrictEqual(yield* check, { idle: 256, used: 0, gone: 0, idleRanges: [{ start: a.start, bytes: mib }] })
      ours.touch(a.start, 4096 * 10)
      theirs.touch(b.start, mib)
      ours.pageOut(a.start + 4096n * 100n, 4096 * 6, true)
      assert.deepStrictEqual(yield* check, {
        idle: 240,
        used: 10,
        gone: 6,
        idleRanges: [
          { start: a.start + 40_960n, bytes: 4096 * 90 },
          { start: a.start + 4096n * 106n, bytes: 4096 * 150 }
        ]
      })
    }).pipe(Effect.provide(kernel.layer))
  })
})
