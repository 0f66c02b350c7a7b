/** The /proc and idle-page codecs with generators of the values that their files can hold. */
import fc from "fast-check"
import {
  clearRefs,
  type Codec,
  ioMem,
  type IoMemRange,
  maps,
  processChildren,
  processSize,
  processStat,
  processStatus,
  smaps,
  smapsRollup,
  zoneInfo
} from "../src/index.ts"
import type { CodecCase } from "./codecs.ts"

const u64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(2n ** 53n - 2n, 2n ** 53n + 9n), fc.bigInt(0n, 9n))
const kib = fc.nat(2 ** 31 - 1).map((value) => value * 1024)
const integer = fc.integer({ min: -100, max: 2 ** 31 - 1 })
/** As the kernel lets processes name themselves, apart from bytes that are no text. */
const comm = fc.oneof(
  fc.constantFrom("cat", "(sd-pam)", "a) R 1 2 3", "kworker/0:1H-kblockd", " ", ")", "x\ny", "tmux: server", ""),
  fc.string({ unit: fc.constantFrom("a", "é", " ", "(", ")", "\n", "0"), maxLength: 15 })
)
const key = fc.stringMatching(/^[A-Z][A-Za-z_]{0,17}$/).filter((name) => name !== "VmFlags")
const path = fc.oneof(
  fc.constantFrom("", "[heap]", "[stack]", "[vsyscall]", "[anon:glibc: malloc]", "/usr/bin/a b (deleted)", "anon_inode:[perf_event]"),
  fc.string({ unit: fc.constantFrom("a", "é", " ", "\\", "012", "日"), maxLength: 9 }).map((text) => `/${text}`)
)
const header = fc.record({
  start: u64,
  end: u64,
  permissions: fc.constantFrom("r--p", "rw-p", "r-xp", "---p", "rwxs", "--xp"),
  offset: u64,
  device: fc.constantFrom("00:00", "fe:00", "08:01", "103:02", "00:2d"),
  inode: u64,
  path
})
const amounts = fc.dictionary(key, kib, { maxKeys: 8, noNullPrototype: true })
const mapping = fc.tuple(
  header,
  amounts,
  fc.dictionary(fc.constantFrom("THPeligible", "ProtectionKey", "NewCount"), fc.nat(), { noNullPrototype: true }),
  fc.array(fc.stringMatching(/^[a-z?]{2}$/), { maxLength: 9 })
)

const stat = fc.record({
  pid: fc.nat(4_194_304),
  comm,
  state: fc.constantFrom("R", "S", "D", "Z", "T", "t", "X", "I"),
  ppid: fc.nat(4_194_304),
  processGroup: fc.nat(4_194_304),
  session: fc.nat(4_194_304),
  terminal: integer,
  terminalGroup: integer,
  flags: fc.nat(2 ** 32 - 1),
  minorFaults: u64,
  childMinorFaults: u64,
  majorFaults: u64,
  childMajorFaults: u64,
  userTicks: u64,
  systemTicks: u64,
  childUserTicks: u64,
  childSystemTicks: u64,
  priority: integer,
  nice: fc.integer({ min: -20, max: 19 }),
  threads: fc.nat(30_000),
  startTime: u64,
  virtualBytes: fc.bigInt(0n, 2n ** 51n).map((pages) => Number(pages) * 4096),
  rssPages: fc.nat(),
  rest: fc.array(fc.bigInt(0n, 2n ** 64n - 1n).map(String), { maxLength: 30 })
})

const counters = (keys: RegExp) => fc.dictionary(fc.stringMatching(keys), u64, { maxKeys: 6, noNullPrototype: true })
const zone = fc
  .tuple(
    fc.nat(9),
    fc.constantFrom("DMA", "DMA32", "Normal", "Movable", "Device"),
    fc.option(counters(/^nr_[a-z_]{1,20}$/), { nil: undefined }),
    fc.dictionary(fc.constantFrom("boost", "min", "low", "high", "promo", "spanned", "present", "managed", "cma"), fc.nat(), {
      noNullPrototype: true
    }),
    fc.nat(),
    fc.array(fc.nat(), { maxLength: 5 }),
    counters(/^(?:nr|numa)_[a-z_]{1,20}$/),
    fc.array(
      fc.tuple(
        fc.nat(999),
        fc.dictionary(fc.constantFrom("count", "high", "batch", "high_min", "high_max"), fc.nat(), { noNullPrototype: true }),
        fc.option(fc.nat(125), { nil: undefined })
      ),
      { maxLength: 3 }
    ),
    counters(/^(?:node_unreclaimable|start_pfn|reserved_highatomic)$/)
  )
  .map(([node, name, nodeCounters, pages, free, protection, zoneCounters, cpus, rest]) => ({
    node,
    name,
    ...(nodeCounters === undefined ? {} : { nodeCounters }),
    pages: { free, ...pages },
    protection,
    counters: zoneCounters,
    cpus: cpus.map(([cpu, values, statThreshold]) => ({ cpu, values, ...(statThreshold === undefined ? {} : { statThreshold }) })),
    rest
  }))

const rangeOver = (children: fc.Arbitrary<ReadonlyArray<IoMemRange>>): fc.Arbitrary<IoMemRange> =>
  fc.record({ start: u64, end: u64, name: fc.constantFrom("System RAM", "Reserved", "PCI Bus 0000:00", "a : b", ""), children })
const leaf = rangeOver(fc.constant([]))
const ranges = rangeOver(fc.array(rangeOver(fc.array(leaf, { maxLength: 2 })), { maxLength: 2 }))

const of = <A>(name: string, codec: Codec<A>, values: fc.Arbitrary<A>): CodecCase<any> => ({ name, codec, values })

export const processCodecCases: ReadonlyArray<CodecCase<any>> = [
  of("process stat", processStat, stat),
  of("process statm", processSize, fc.record({ virtual: fc.nat(), resident: fc.nat(), shared: fc.nat(), text: fc.nat(), data: fc.nat() })),
  of(
    "process status",
    processStatus,
    fc.record({
      amounts: fc.dictionary(fc.stringMatching(/^(?:Vm|Rss|Hugetlb)[A-Za-z]{1,9}$/), kib, { noNullPrototype: true }),
      fields: fc.dictionary(
        fc.stringMatching(/^[A-Z][a-z_]{1,12}$/).filter((name) => !/^(?:Vm|Rss|Hugetlb)/.test(name)),
        fc.constantFrom("", "S (sleeping)", "0\t0\t0\t0", "5 kB", "x: y"),
        { noNullPrototype: true }
      )
    })
  ),
  of("process children", processChildren, fc.array(fc.nat(4_194_304), { maxLength: 9 })),
  of("clear_refs", clearRefs, fc.constantFrom("all", "anon", "file", "softDirty", "peakRss")),
  of("maps", maps, fc.array(header, { maxLength: 6 })),
  of(
    "smaps",
    smaps,
    fc.array(
      mapping.map(([head, bytes, counts, flags]) => ({ ...head, amounts: bytes, counts, flags })),
      { maxLength: 5 }
    )
  ),
  of(
    "smaps_rollup",
    smapsRollup,
    fc.tuple(u64, u64, amounts).map(([start, end, bytes]) => ({ start, end, amounts: bytes }))
  ),
  of("zoneinfo", zoneInfo, fc.array(zone, { maxLength: 3 })),
  of("iomem", ioMem, fc.array(ranges, { maxLength: 4 }))
]
