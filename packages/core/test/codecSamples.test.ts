/** Literal files, as the kernel prints them: see spec/kernel.md §1 and §2 for where each was seen. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  type Codec,
  countersFile,
  lruGen,
  lruGenCommand,
  lruGenEnabled,
  Memcg,
  memcgPageAge,
  memInfo,
  memoryStat,
  mountInfo,
  nodePageAge,
  pageAgeIntervals,
  pressureStall,
  processCgroups,
  reclaimRequest,
  refreshIntervals,
  swaps
} from "../src/index.ts"

const read = <A>(codec: Codec<A>, text: string): A => Result.getOrThrow(codec.decode(new TextEncoder().encode(text)))
const problem = <A>(codec: Codec<A>, text: string): string => {
  const result = codec.decode(new TextEncoder().encode(text))
  return Result.isFailure(result) ? result.failure.message : "no problem"
}

const table =
  "memcg     1 /\n" +
  " node     0\n" +
  "         21     612340       1043       88120 \n" +
  "         22     301220      20011       40210 \n" +
  "         23     121003      88102       30221 \n" +
  "         24       1020       4410         120 \n" +
  "memcg    34 /system.slice/a b.service\n" +
  " node     0\n" +
  "          0       9000          1           2 \n" +
  " node     1\n" +
  "          7       8000          3           4 \n"

describe("lru_gen", () => {
  it("reads the table, and prints it with the kernel's blanks", () => {
    const memcgs = read(lruGen, table)
    assert.deepStrictEqual(
      memcgs.map(({ id, path }) => [id, path]),
      [
        [1, "/"],
        [34, "/system.slice/a b.service"]
      ]
    )
    assert.deepStrictEqual(memcgs[0]!.nodes[0]!.generations[3], { seq: 24, ageMs: 1020, anonPages: 4410, filePages: 120 })
    assert.deepStrictEqual(
      memcgs[1]!.nodes.map(({ generations, node }) => [node, generations[0]!.seq]),
      [
        [0, 0],
        [1, 7]
      ]
    )
    assert.strictEqual(lruGen.encode(memcgs), table)
  })

  it("passes over the tiers and statistics of lru_gen_full", () => {
    const full =
      "memcg     1 /\n" +
      " node     0\n" +
      "          3      70000          0x      88120 \n" +
      "                     0          0x          0x          0x          5r          6e          7p\n" +
      "                     1          0x          0x          0x          0r          0e          0p\n" +
      "                               1t          2y          3f          4a\n" +
      "          4       1020       4410         120 \n" +
      "                     0          1R          2T          0           0R          0T          0 \n" +
      "                     4          1R          2T          0           0R          0T          0 \n" +
      "                                0           0           0           0 \n" +
      "                               0x          0x          0x          0x\n"
    assert.deepStrictEqual(read(lruGen, full)[0]!.nodes[0]!.generations, [
      { seq: 3, ageMs: 70000, anonPages: 0, filePages: 88120 },
      { seq: 4, ageMs: 1020, anonPages: 4410, filePages: 120 }
    ])
  })

  it("names the line of a generation it cannot read (regression: such a line was passed over in silence)", () => {
    assert.include(problem(lruGen, "memcg     1 /\n node     0\n         21     6-1234       1043       88120 \n"), "lru_gen line 3")
    assert.include(problem(lruGen, " node 0\n"), "comes before any memcg line")
  })

  it("reads commands as the kernel does", () => {
    assert.deepStrictEqual(read(lruGenCommand, "+ 34 0 24 1 1"), {
      _tag: "Age",
      memcg: 34,
      node: 0,
      maxSeq: 24,
      canSwap: 1,
      forceScan: true
    })
    assert.strictEqual(lruGenCommand.encode({ _tag: "Age", memcg: 34, node: 0, maxSeq: 24 }), "+ 34 0 24")
    assert.strictEqual(
      lruGenCommand.encode({ _tag: "Evict", memcg: 34, node: 0, seq: 21, swappiness: "max", pages: 64 }),
      "- 34 0 21 max 64"
    )
    assert.include(problem(lruGenCommand, "* 1 0 3"), "is not a command")
    assert.include(problem(lruGenCommand, "- 1 0 3 60 5 9"), "is not a command")
    assert.strictEqual(read(lruGenEnabled, "0x0007\n"), 7)
  })
})

describe("memory files", () => {
  it("reads memory.stat: amounts as numbers, counts as bigint, news under unknown", () => {
    const sample =
      "anon 283115520\nzswap 10485760\npercpu 1168\nworkingset_refault_anon 1203\npgscan 18446744073709551615\nfrobs 9007199254740993\n"
    const stat = read(memoryStat, sample)
    assert.deepStrictEqual(stat, {
      anon: 283115520,
      zswap: 10485760,
      percpu: 1168,
      workingset_refault_anon: 1203n,
      pgscan: 18446744073709551615n,
      unknown: { frobs: 9007199254740993n }
    })
    assert.isUndefined(stat.zswapped)
    assert.strictEqual(memoryStat.encode(stat), sample)
  })

  it("follows a kernel that prints other keys in another order the next time", () => {
    assert.deepStrictEqual(read(memoryStat, "anon 1\nfile 2\n"), { anon: 1, file: 2 })
    assert.deepStrictEqual(read(memoryStat, "file 3\nanonymous 5\nanon 4\n"), { file: 3, unknown: { anonymous: 5n }, anon: 4 })
  })

  it("names file and line of what is not a key with a number", () => {
    assert.include(problem(memoryStat, "anon 1\nfile x\n"), 'memory.stat line 2: the value of "file" is not a number')
    assert.include(problem(countersFile("memory.events"), "low 0\n\nhigh 0\n"), "memory.events line 2")
  })

  it("reads memory.numa_stat", () => {
    assert.deepStrictEqual(read(Memcg.memoryNumaStat, "anon N0=1234 N1=0\nfile N0=8192 N1=4096\n"), {
      anon: { N0: 1234n, N1: 0n },
      file: { N0: 8192n, N1: 4096n }
    })
  })

  it("reads limits, and prints Infinity as max", () => {
    assert.strictEqual(read(Memcg.memoryHigh, "max\n"), "max")
    assert.strictEqual(Memcg.memoryHigh.encode(Infinity), "max\n")
    assert.strictEqual(Memcg.memoryHigh.encode(9223372036854771712), "9223372036854771712\n")
  })

  it("prints fractions of bytes as bytes (regression: 5 % of memory.current threw RangeError)", () => {
    assert.strictEqual(reclaimRequest.encode({ bytes: 123456.78, swappiness: 0 }), "123456 swappiness=0")
    assert.strictEqual(reclaimRequest.encode({ bytes: 2 ** 60 + 0.5 }), "1152921504606846976")
    assert.strictEqual(reclaimRequest.encode({ bytes: Number.NaN }), "NaN")
  })

  it("reads reclaim requests with suffixes", () => {
    assert.deepStrictEqual(read(reclaimRequest, "1G swappiness=60"), { bytes: 2 ** 30, swappiness: 60 })
    assert.deepStrictEqual(read(reclaimRequest, "64K swappiness=max\n"), { bytes: 65536, swappiness: "max" })
    // As the kernel's own loop over the options: the last one counts.
    assert.deepStrictEqual(read(reclaimRequest, "1G swappiness=1 swappiness=2"), { bytes: 2 ** 30, swappiness: 2 })
    for (const wrong of ["", "max", "-1", "1G swappiness=201", "1G frob=1"]) {
      assert.notStrictEqual(problem(reclaimRequest, wrong), "no problem", wrong)
    }
  })
})

describe("pressure", () => {
  it("reads both lines, and cpu's on kernels that print only some", () => {
    const both = "some avg10=0.12 avg60=1.00 avg300=12.34 total=18446744073709551615\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    const stall = read(pressureStall, both)
    assert.deepStrictEqual(stall.some, { avg10: 0.12, avg60: 1, avg300: 12.34, totalUs: 2n ** 64n - 1n })
    assert.strictEqual(pressureStall.encode(stall), both)
    assert.deepStrictEqual(Object.keys(read(pressureStall, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")), ["some"])
    assert.deepStrictEqual(Object.keys(read(pressureStall, "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")), ["full"])
  })
})

describe("working-set reports", () => {
  const bin = (lowerMs: number, upperMs: number, anonBytes: number, fileBytes: number) => ({ lowerMs, upperMs, anonBytes, fileBytes })

  it("reads both labels of infinity", () => {
    const rows = "1000 anon=0 file=0\n2000 anon=4096 file=0\n100000 anon=5533696 file=5566464\n"
    const bins = [bin(0, 1000, 0, 0), bin(1000, 2000, 4096, 0), bin(2000, 100000, 5533696, 5566464), bin(100000, Infinity, 8, 9)]
    for (const forever of ["18446744073709551615", "9223372036854775807"]) {
      assert.deepStrictEqual(read(nodePageAge, `${rows}${forever} anon=8 file=9\n`), bins)
      assert.deepStrictEqual(read(memcgPageAge, `N0\n${rows}${forever} anon=8 file=9\nN2\n1000 anon=1 file=2\n`), [
        { node: 0, bins },
        { node: 2, bins: [bin(0, 1000, 1, 2)] }
      ])
    }
  })

  it("reads an empty report, and keeps page types that it does not know", () => {
    assert.deepStrictEqual(read(memcgPageAge, ""), [])
    assert.deepStrictEqual(read(nodePageAge, "1000 anon=1 shmem=7 file=2\n"), [{ ...bin(0, 1000, 1, 2), other: { shmem: 7 } }])
    assert.include(problem(nodePageAge, "2000 anon=0 file=0\n1000 anon=0 file=0\n"), "line 2")
  })

  it("reads intervals and refresh intervals, trailing blank included", () => {
    assert.deepStrictEqual(read(pageAgeIntervals, "1000,2000,100000\n"), [1000, 2000, 100000])
    assert.deepStrictEqual(read(pageAgeIntervals, "\n"), [])
    assert.deepStrictEqual(read(refreshIntervals, "N0=2000 N1=0 \n"), { 0: 2000, 1: 0 })
  })
})

describe("/proc", () => {
  it("reads meminfo: kB rows in bytes, counts as they are", () => {
    assert.deepStrictEqual(
      read(memInfo, "MemTotal:       16384256 kB\nActive(anon):     103 kB\nHugePages_Total:       3\nZswapped:              8 kB\n"),
      {
        MemTotal: 16384256 * 1024,
        "Active(anon)": 103 * 1024,
        HugePages_Total: 3,
        Zswapped: 8192
      }
    )
  })

  it("reads swaps, octal escapes and UTF-8 included (regression: file names were read as windows-1252)", () => {
    const text =
      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" +
      "/dev/zram0                              partition\t1048572\t\t512\t\t100\n" +
      "/mnt/my\\040swap\\134é                    file\t\t2097148\t\t0\t\t-2\n"
    assert.deepStrictEqual(read(swaps, text), [
      { path: "/dev/zram0", type: "partition", sizeBytes: 1048572 * 1024, usedBytes: 512 * 1024, priority: 100 },
      { path: "/mnt/my swap\\é", type: "file", sizeBytes: 2097148 * 1024, usedBytes: 0, priority: -2 }
    ])
    assert.deepStrictEqual(read(swaps, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"), [])
  })

  it("reads mountinfo with optional fields and octal escapes", () => {
    const text =
      "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 master:1 - tmpfs tmpfs rw,mode=755\n" +
      "41 31 0:38 / /mnt/a\\040b\\011c\\134d rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    assert.deepStrictEqual(read(mountInfo, text), [
      { mountPoint: "/sys/fs/cgroup", fsType: "tmpfs", options: ["rw", "relatime"], superOptions: ["rw", "mode=755"] },
      { mountPoint: "/mnt/a b\tc\\d", fsType: "cgroup2", options: ["rw", "nosuid"], superOptions: ["rw", "nsdelegate"] }
    ])
  })

  it("reads /proc/PID/cgroup of a hybrid machine", () => {
    assert.deepStrictEqual(read(processCgroups, "9:name=systemd:/\n4:memory:/a:b\n0::/x\n"), [
      { hierarchy: 9, controllers: ["name=systemd"], path: "/" },
      { hierarchy: 4, controllers: ["memory"], path: "/a:b" },
      { hierarchy: 0, controllers: [], path: "/x" }
    ])
  })
})
