/** zram's files as kernels print them, the texts of its commands, and its settings in the order in which the kernel wants them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import {
  type Codec,
  encodeAlgorithmParameters,
  encodeIdle,
  encodeRecompress,
  encodeWriteback,
  Zram,
  zramCompAlgorithm,
  zramDebugStat,
  zramIoStat,
  zramMmStat,
  zramRatio,
  zramRecompAlgorithm,
  Zswap,
  zswapRatio
} from "../src/index.ts"
import { FakeKernel } from "../src/testing.ts"

const read = <A>(codec: Codec<A>, text: string): A => Result.getOrThrow(codec.decode(new TextEncoder().encode(text)))
const problem = <A>(codec: Codec<A>, text: string): string => {
  const result = codec.decode(new TextEncoder().encode(text))
  return Result.isFailure(result) ? result.failure.message : "no problem"
}

describe("zram files", () => {
  it("mm_stat of 7, 8 and 9 columns, and of more", () => {
    const nine = "  131072    65536    65536  1048576    65536       16        0       16       16\n"
    const stat = read(zramMmStat, nine)
    assert.strictEqual(stat.memLimitBytes, 1_048_576)
    assert.strictEqual(stat.hugePagesSince, 16)
    assert.strictEqual(zramMmStat.encode(stat), nine)
    assert.strictEqual(zramRatio(stat), 2)
    assert.isUndefined(read(zramMmStat, "1 2 3 4 5 6 7\n").hugePages)
    assert.isUndefined(read(zramMmStat, "1 2 3 4 5 6 7 8\n").hugePagesSince)
    assert.strictEqual(read(zramMmStat, "1 2 3 4 5 6 7 8 9 10\n").hugePagesSince, 9)
    assert.match(problem(zramMmStat, "1 2 3 4 5 6\n"), /at least 7 columns, found 6/)
  })
  it("io_stat with the blanks of 6.12 and of 6.1", () => {
    assert.strictEqual(read(zramIoStat, "       0        0 0    35346\n").notifyFree, 35_346n)
    assert.strictEqual(read(zramIoStat, "       0        0        0     6912\n").notifyFree, 6912n)
  })
  it("algorithms, primary and secondary", () => {
    assert.deepStrictEqual(read(zramCompAlgorithm, "lzo [lzo-rle] lz4 lz4hc zstd \n"), {
      available: ["lzo", "lzo-rle", "lz4", "lz4hc", "zstd"],
      selected: "lzo-rle"
    })
    assert.match(problem(zramCompAlgorithm, "[a] [b] \n"), /more than one/)
    assert.deepStrictEqual(read(zramRecompAlgorithm, "#1: lzo lz4 [zstd] \n#2: [lz4] zstd \n"), [
      { priority: 1, available: ["lzo", "lz4", "zstd"], selected: "zstd" },
      { priority: 2, available: ["lz4", "zstd"], selected: "lz4" }
    ])
    assert.deepStrictEqual(read(zramRecompAlgorithm, ""), [])
  })
  it("debug_stat", () => {
    assert.deepStrictEqual(read(zramDebugStat, "version: 1\n       0        3\n"), { version: 1, counters: [0n, 3n] })
    assert.match(problem(zramDebugStat, "0 0\n"), /version/)
  })
  it("commands", () => {
    assert.strictEqual(encodeIdle("all"), "all")
    assert.strictEqual(encodeIdle({ ageSeconds: 86_400 }), "86400")
    assert.strictEqual(encodeWriteback("huge_idle"), "huge_idle")
    assert.strictEqual(encodeWriteback({ pageIndex: 1251 }), "page_index=1251")
    assert.strictEqual(
      encodeRecompress({ type: "huge_idle", thresholdBytes: 3000, algorithm: "zstd", maxPages: 42 }),
      "type=huge_idle threshold=3000 algo=zstd max_pages=42"
    )
    assert.strictEqual(encodeAlgorithmParameters({ algorithm: "zstd", level: 8, dictionary: "/etc/d" }), "algo=zstd level=8 dict=/etc/d")
  })
})

describe("zram settings", () => {
  it.effect("algorithm and backing device come before the size, the limits after", () => {
    const kernel = new FakeKernel({ zram: true })
    return Effect.gen(function* () {
      const zram = yield* Zram
      yield* Effect.scoped(
        Effect.gen(function* () {
          const device = yield* zram.add
          yield* zram.setUp(device, {
            diskBytes: 2 ** 30,
            memLimitBytes: 2 ** 28,
            algorithm: "zstd",
            backingDevice: "/dev/loop7",
            writebackLimitPages: 5
          })
          const state = yield* zram.read(device)
          assert.strictEqual(state.algorithms.selected, "zstd")
          assert.strictEqual(state.backingDevice, "/dev/loop7")
          yield* zram.writeback(device, "idle")
          // Compressed sizes are sampled through a held file.
          const held = yield* zram.hold(device)
          const fake = kernel.zram!.devices.get(device)!
          fake.stat = { ...fake.stat, origDataBytes: 8192, memUsedBytes: 4096 }
          assert.strictEqual(zramRatio(yield* held.read), 2)
        })
      )
      assert.deepStrictEqual(
        kernel.fs.writes.map(({ path, text }) => `${path.slice(path.lastIndexOf("/") + 1)} ${text}`),
        [
          "comp_algorithm zstd",
          "backing_dev /dev/loop7",
          "disksize 1073741824",
          "mem_limit 268435456",
          "writeback_limit_enable 1",
          "writeback_limit 5",
          "writeback idle",
          "reset 1",
          "hot_remove 1"
        ]
      )
      assert.deepStrictEqual(yield* zram.devices, [0])
    }).pipe(Effect.provide(kernel.layer))
  })

  it.effect("without the module there is no device, and none can be made", () =>
    Effect.gen(function* () {
      const zram = yield* Zram
      assert.deepStrictEqual(yield* zram.devices, [])
      const error = yield* Effect.flip(Effect.scoped(zram.add))
      assert.strictEqual(error._tag === "KernFsError" && error.reason._tag, "NotFound")
    }).pipe(Effect.provide(new FakeKernel().layer))
  )
})

describe("zswap", () => {
  it.effect("the ratio is of what is stored; a kernel without zswap has none, and no parameters", () =>
    Effect.gen(function* () {
      const kernel = new FakeKernel()
      Object.assign(kernel.zswap!.counters, { stored_pages: 1000, pool_total_size: 1_638_400 })
      const stats = yield* Effect.flatMap(Zswap, (zswap) => zswap.stats).pipe(Effect.provide(kernel.layer))
      assert.strictEqual(zswapRatio(stats), 2.5)
      const bare = new FakeKernel({ zswap: false })
      const nothing = yield* Effect.flatMap(Zswap, (zswap) => Effect.all([zswap.stats, zswap.parameters])).pipe(Effect.provide(bare.layer))
      for (const values of nothing) assert.isTrue(Object.values(values).every((value) => value === undefined))
      assert.isUndefined(zswapRatio(nothing[0]))
    })
  )
})
