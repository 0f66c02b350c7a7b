/** The cgroup, PSI, zswap and zram codecs with generators of the values that their files can hold. */
import fc from "fast-check"
import {
  cgroupEvents,
  cgroupFreeze,
  cgroupMaxDepth,
  cgroupStat,
  cgroupThreads,
  cgroupType,
  type Codec,
  cpuStat,
  ioStat,
  lruGenFull,
  Memcg,
  reclaimRequest,
  zramBdStat,
  zramCompAlgorithm,
  zramDebugStat,
  zramIoStat,
  zramMmStat,
  zramRecompAlgorithm
} from "../src/index.ts"
import type { CodecCase } from "./codecs.ts"

const u64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 9n))
const amount = fc.oneof(
  fc.maxSafeNat(),
  fc.bigInt(0n, 2n ** 50n).map((pages) => Number(pages) * 4096)
)
const limit = fc.oneof(fc.constant("max" as const), amount)
const key = fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/)
const plain = { noNullPrototype: true } as const
const counters = (...names: ReadonlyArray<string>) =>
  fc.dictionary(fc.oneof(fc.constantFrom(...names), key), u64, { maxKeys: 12, ...plain })

const ioKeys = ["rbytes", "wbytes", "rios", "wios", "dbytes", "dios"]
const ioExtra = fc.constantFrom("cost.usage", "cost.wait", "use_delay", "avg_lat")
const ioDevice = fc.record(
  {
    ...Object.fromEntries(ioKeys.map((name) => [name, u64])),
    other: fc.dictionary(ioExtra, u64, { minKeys: 1, maxKeys: 2, ...plain }),
    words: fc.dictionary(fc.constantFrom("depth", "win"), fc.constantFrom("max", "off"), { minKeys: 1, maxKeys: 2, ...plain })
  },
  { requiredKeys: [], ...plain }
)
const deviceName = fc.tuple(fc.nat(4095), fc.nat(1_048_575)).map(([major, minor]) => `${major}:${minor}`)

const words = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,8}$/), { minLength: 1, maxLength: 6 })
const choice = words.chain((available) =>
  fc
    .option(fc.constantFrom(...available), { nil: undefined })
    .map((selected) => ({ available, ...(selected === undefined ? {} : { selected }) }))
)
const mmNames = ["origDataBytes", "comprDataBytes", "memUsedBytes", "memLimitBytes", "memUsedMaxBytes", "samePages", "pagesCompacted"]
const mmStat = fc
  .tuple(fc.array(amount, { minLength: 9, maxLength: 9 }), fc.constantFrom(7, 8, 9))
  .map(([values, columns]) =>
    Object.fromEntries([...mmNames, "hugePages", "hugePagesSince"].slice(0, columns).map((name, i) => [name, values[i]!]))
  )
const columns = (...names: ReadonlyArray<string>) => fc.record(Object.fromEntries(names.map((name) => [name, u64])), plain)

const marked = (marks: ReadonlyArray<string>) => fc.tuple(...marks.map((mark) => u64.map((count) => ({ mark, count }))))
const lruGeneration = fc
  .record({
    seq: fc.nat(99_999),
    ageMs: fc.nat(),
    anonPages: fc.option(fc.nat(), { nil: undefined }),
    filePages: fc.option(fc.nat(), { nil: undefined }),
    tiers: fc.array(fc.record({ tier: fc.nat(3), counts: marked(["r", "e", "p", "R", "T", " "]) }), { maxLength: 4 }),
    walks: fc.oneof(fc.constant([]), marked(["T", "Y", "F", "A"]))
  })
  .map(({ anonPages, filePages, ...rest }) => ({
    ...rest,
    ...(anonPages === undefined ? {} : { anonPages }),
    ...(filePages === undefined ? {} : { filePages })
  }))
const lruFull = fc.array(
  fc.record({
    id: fc.nat(70_000),
    path: fc.constantFrom("/", "/app", "/system.slice/a b.service"),
    nodes: fc.array(fc.record({ node: fc.nat(9), generations: fc.array(lruGeneration, { maxLength: 4 }) }), { maxLength: 2 })
  }),
  { maxLength: 3 }
)

const of = (name: string, codec: Codec<any>, values: fc.Arbitrary<unknown>): CodecCase<any> => ({ name, codec, values: values as any })

export const groupCodecCases: ReadonlyArray<CodecCase<any>> = [
  of("cgroup.events", cgroupEvents, counters("populated", "frozen")),
  of("cgroup.stat", cgroupStat, counters("nr_descendants", "nr_subsys_memory")),
  of("cpu.stat", cpuStat, counters("usage_usec", "core_sched.force_idle_usec", "nr_throttled")),
  of("io.stat", ioStat, fc.dictionary(deviceName, ioDevice, { maxKeys: 4, ...plain })),
  of("cgroup.freeze", cgroupFreeze, fc.boolean()),
  of("cgroup.type", cgroupType, fc.constantFrom("domain", "domain threaded", "domain invalid", "threaded")),
  of("cgroup.max.depth", cgroupMaxDepth, fc.oneof(fc.constant("max" as const), fc.nat())),
  of("cgroup.threads", cgroupThreads, fc.array(fc.nat(4_194_304), { maxLength: 9 })),
  of("memory.oom.group", Memcg.memoryOomGroup, fc.boolean()),
  of("memory.events.local", Memcg.memoryEventsLocal, counters("low", "oom_kill")),
  of("memory.swap.tiers.max", Memcg.memorySwapTiersMax, fc.dictionary(key, limit, { maxKeys: 4, ...plain })),
  of(
    "reclaim request of newer kernels",
    reclaimRequest,
    fc.record(
      { bytes: amount, swappiness: fc.oneof(fc.constant("max" as const), fc.nat(200)), source: fc.constant("zswap" as const) },
      { requiredKeys: ["bytes"], ...plain }
    )
  ),
  of("lru_gen_full", lruGenFull, lruFull),
  of("zram mm_stat", zramMmStat, mmStat),
  of("zram io_stat", zramIoStat, columns("failedReads", "failedWrites", "invalidIo", "notifyFree")),
  of("zram bd_stat", zramBdStat, columns("count", "reads", "writes")),
  of("zram debug_stat", zramDebugStat, fc.record({ version: fc.nat(9), counters: fc.array(u64, { maxLength: 4 }) }, plain)),
  of("zram comp_algorithm", zramCompAlgorithm, choice),
  of(
    "zram recomp_algorithm",
    zramRecompAlgorithm,
    fc.array(
      fc.tuple(fc.integer({ min: 1, max: 3 }), choice).map(([priority, rest]) => ({ priority, ...rest })),
      { maxLength: 3 }
    )
  )
]
