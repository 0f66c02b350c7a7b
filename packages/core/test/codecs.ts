/** Every codec with a generator of the values that its file can hold. */
import fc from "fast-check"
import {
  booleanFile,
  bytesFile,
  type Codec,
  countersFile,
  limitFile,
  lruGen,
  lruGenCommand,
  lruGenEnabled,
  Memcg,
  memcgPageAge,
  memInfo,
  memoryStat,
  memoryStatAmounts,
  memoryStatCounters,
  mountInfo,
  nestedKeyedFile,
  nodePageAge,
  pageAgeIntervals,
  pressureStall,
  processCgroups,
  processIds,
  reclaimRequest,
  refreshIntervals,
  swaps,
  wordFile,
  wordList
} from "../src/index.ts"

export interface CodecCase<A> {
  readonly name: string
  readonly codec: Codec<A>
  readonly values: fc.Arbitrary<A>
}

const u64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(2n ** 53n, 2n ** 53n + 9n), fc.bigInt(0n, 9n))
/** Amounts: anything below 2^53, whole pages above. */
const amount = fc.oneof(
  fc.maxSafeNat(),
  fc.bigInt(0n, 2n ** 50n).map((pages) => Number(pages) * 4096),
  fc.nat(9)
)
const limit = fc.oneof(fc.constant("max" as const), amount)
const key = fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/)
const counters = fc.dictionary(key, u64, { maxKeys: 12, noNullPrototype: true })
const word = fc.stringMatching(/^[A-Za-z0-9_,.-]{1,12}$/)
/** A path as a file system may have it: blanks, backslashes, non-ASCII; no line end, since cgroup.c refuses one. */
const path = fc
  .array(fc.string({ unit: fc.constantFrom("a", "b", "é", "日", " ", "\\", "\t", "-", ":", "0"), minLength: 1, maxLength: 8 }), {
    maxLength: 4
  })
  .map((parts) => `/${parts.join("/")}`)
const groupPath = path.map((text) => text.trimEnd().replaceAll("\t", "_") || "/")
const percent = fc.nat(10_000).map((hundredths) => hundredths / 100)
const line = fc.record({ avg10: percent, avg60: percent, avg300: percent, totalUs: u64 })

const ages = fc
  .uniqueArray(fc.integer({ min: 1, max: 2 ** 40 }), { minLength: 1, maxLength: 31 })
  .map((labels) => labels.toSorted((a, b) => a - b))
const bins = ages.chain((labels) =>
  fc.tuple(...[...labels, Infinity].map(() => fc.tuple(amount, amount, fc.option(amount, { nil: undefined })))).map((values) =>
    values.map(([anonBytes, fileBytes, hugetlb], i) => ({
      lowerMs: labels[i - 1] ?? 0,
      upperMs: labels[i] ?? Infinity,
      anonBytes,
      fileBytes,
      ...(hugetlb === undefined ? {} : { other: { hugetlb } })
    }))
  )
)

const generations = fc
  .tuple(
    fc.nat(1000),
    fc.array(fc.record({ ageMs: fc.maxSafeNat(), anonPages: fc.maxSafeNat(), filePages: fc.maxSafeNat() }), { maxLength: 4 })
  )
  .map(([first, rows]) => rows.map((row, i) => ({ seq: first + i, ...row })))
const lruTable = fc.array(
  fc.record({ id: fc.nat(70_000), path: groupPath, nodes: fc.array(fc.record({ node: fc.nat(99), generations }), { maxLength: 3 }) }),
  { maxLength: 5 }
)

const stat = fc
  .record(
    {
      ...Object.fromEntries(memoryStatAmounts.map((name) => [name, amount])),
      ...Object.fromEntries(memoryStatCounters.map((name) => [name, u64])),
      unknown: fc.dictionary(
        key.map((name) => `new_${name}`),
        u64,
        { minKeys: 1, maxKeys: 3, noNullPrototype: true }
      )
    },
    { requiredKeys: [], noNullPrototype: true }
  )
  .map((value) => value as any)

const ageCommand = fc.tuple(fc.nat(70_000), fc.nat(9), fc.nat(), fc.constantFrom(0, 1, 2), fc.nat(200), fc.boolean())
const command = fc.oneof(
  ageCommand.map(([memcg, node, maxSeq, options, canSwap, forceScan]) => ({
    _tag: "Age" as const,
    memcg,
    node,
    maxSeq,
    ...(options > 0 ? { canSwap } : {}),
    ...(options > 1 ? { forceScan } : {})
  })),
  fc
    .tuple(
      fc.nat(70_000),
      fc.nat(9),
      fc.nat(),
      fc.constantFrom(0, 1, 2),
      fc.oneof(fc.constant("max" as const), fc.nat(200)),
      fc.maxSafeNat()
    )
    .map(([memcg, node, seq, options, swappiness, pages]) => ({
      _tag: "Evict" as const,
      memcg,
      node,
      seq,
      ...(options > 0 ? { swappiness } : {}),
      ...(options > 1 ? { pages } : {})
    }))
)

const of = <A>(name: string, codec: Codec<A>, values: fc.Arbitrary<A>): CodecCase<any> => ({ name, codec, values })

export const codecCases: ReadonlyArray<CodecCase<any>> = [
  of("bytes", bytesFile("memory.current"), amount),
  of("limit", limitFile("memory.high"), limit),
  of("boolean", booleanFile("enabled"), fc.boolean()),
  of("word", wordFile("compressor"), word),
  of(
    "reclaim request",
    reclaimRequest,
    fc.oneof(fc.record({ bytes: amount }), fc.record({ bytes: amount, swappiness: fc.oneof(fc.constant("max" as const), fc.nat(200)) }))
  ),
  of("memory.stat", memoryStat, stat),
  of("counters", countersFile("memory.events"), counters),
  of(
    "memory.numa_stat",
    Memcg.memoryNumaStat,
    fc.dictionary(key, fc.dictionary(key, u64, { noNullPrototype: true }), { noNullPrototype: true })
  ),
  of(
    "nested keyed",
    nestedKeyedFile("x"),
    fc.dictionary(key, fc.dictionary(key, u64, { noNullPrototype: true }), { noNullPrototype: true })
  ),
  of("pressure", pressureStall, fc.record({ some: line, full: line }, { requiredKeys: [], noNullPrototype: true })),
  of("lru_gen", lruGen, lruTable),
  of("lru_gen command", lruGenCommand, command),
  of("lru_gen enabled", lruGenEnabled, fc.nat(7)),
  of("node page_age", nodePageAge, bins),
  of("memcg page_age", memcgPageAge, fc.array(fc.record({ node: fc.nat(9), bins }), { maxLength: 3 })),
  of("page_age_intervals", pageAgeIntervals, ages),
  of("refresh_interval", refreshIntervals, fc.dictionary(fc.nat(9).map(String), fc.maxSafeNat(), { noNullPrototype: true })),
  of(
    "meminfo",
    memInfo,
    fc.dictionary(
      fc.stringMatching(/^[A-Z][A-Za-z0-9()_]{0,15}$/).filter((name) => !name.startsWith("HugePages_")),
      fc.nat().map((kib) => kib * 1024),
      { noNullPrototype: true }
    )
  ),
  of(
    "swaps",
    swaps,
    fc.array(
      fc.record({
        path,
        type: fc.constantFrom("partition", "file"),
        sizeBytes: fc.nat().map((kib) => kib * 1024),
        usedBytes: fc.nat().map((kib) => kib * 1024),
        priority: fc.integer({ min: -99, max: 32_767 })
      }),
      { maxLength: 4 }
    )
  ),
  of(
    "mountinfo",
    mountInfo,
    fc.array(
      fc.record({
        mountPoint: path,
        fsType: word.filter((text) => !text.includes(",")),
        options: fc.array(fc.stringMatching(/^[a-z=0-9]{1,9}$/), { minLength: 1, maxLength: 4 }),
        superOptions: fc.array(fc.stringMatching(/^[a-z=0-9]{1,9}$/), { minLength: 1, maxLength: 4 })
      }),
      { maxLength: 4 }
    )
  ),
  of(
    "process cgroups",
    processCgroups,
    fc.array(
      fc.record({
        hierarchy: fc.nat(20),
        controllers: fc.array(fc.stringMatching(/^[a-z_=]{1,9}$/), { maxLength: 3 }),
        path: path.map((text) => text.replaceAll("\t", "_"))
      }),
      { maxLength: 4 }
    )
  ),
  of("word list", wordList("cgroup.controllers"), fc.array(fc.stringMatching(/^[a-z_]{1,9}$/), { maxLength: 9 })),
  of("process ids", processIds, fc.array(fc.nat(4_194_304), { maxLength: 9 }))
]
