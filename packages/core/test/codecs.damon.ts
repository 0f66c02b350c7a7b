/** The DAMON codecs with generators of the values that their files can hold. */
import fc from "fast-check"
import {
  cgroupPathFile,
  damonModuleFiles,
  kdamondPid,
  kdamondState,
  signedFile,
  signedList,
  uintLimitFile,
  ulongFile,
  unsigned64File,
  wordLines
} from "../src/index.ts"
import type { CodecCase } from "./codecs.ts"

const u64 = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(2n ** 53n, 2n ** 53n + 9n), fc.bigInt(0n, 9n))
const ulong = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(9),
  fc.bigInt(0n, 2n ** 50n).map((pages) => Number(pages) * 4096),
  fc.constant(Infinity)
)
const word = fc.stringMatching(/^[a-z_]{1,9}$/)

export const damonCodecCases: ReadonlyArray<CodecCase<any>> = [
  { name: "DAMON ulong", codec: ulongFile("bytes"), values: ulong },
  { name: "DAMON uint limit", codec: uintLimitFile("max"), values: fc.oneof(fc.nat(2 ** 32 - 2), fc.constant(Infinity)) },
  { name: "DAMON address", codec: unsigned64File("start"), values: u64 },
  { name: "DAMON signed", codec: signedFile("target_nid"), values: fc.oneof(fc.integer(), fc.constant(-1)) },
  { name: "kdamond pid", codec: kdamondPid("pid"), values: fc.option(fc.nat(4_194_304), { nil: undefined }) },
  { name: "kdamond state", codec: kdamondState, values: fc.constantFrom("on" as const, "off" as const) },
  {
    name: "DAMON cgroup path",
    codec: cgroupPathFile("memcg_path"),
    values: fc.oneof(
      fc.constant(""),
      fc
        .array(fc.string({ unit: fc.constantFrom("a", "é", " ", "\\", "-"), minLength: 1, maxLength: 8 }))
        .map((parts) => `/${parts.join("/")}`)
    )
  },
  { name: "avail_operations", codec: wordLines("avail_operations"), values: fc.array(word, { maxLength: 4 }) },
  {
    name: "memory_idle_ms_percentiles",
    codec: signedList("memory_idle_ms_percentiles"),
    values: fc.array(fc.maxSafeInteger(), { minLength: 1, maxLength: 101 })
  },
  { name: "damon_stat bandwidth", codec: damonModuleFiles.damon_stat.estimatedMemoryBandwidth, values: u64 }
]
