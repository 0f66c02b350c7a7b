/** Literal files of processes, as Debian's kernels printed them in the VM (6.12.117, 6.1.0-56), shortened where they repeat themselves. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  clearRefs,
  type Codec,
  ioMem,
  isDead,
  isKernelThread,
  maps,
  processChildren,
  processSize,
  processStat,
  processStatus,
  smaps,
  smapsRollup,
  systemRam,
  zoneInfo
} from "../src/index.ts"

const read = <A>(codec: Codec<A>, text: string): A => Result.getOrThrow(codec.decode(new TextEncoder().encode(text)))
const problem = <A>(codec: Codec<A>, text: string): string => {
  const result = codec.decode(new TextEncoder().encode(text))
  return Result.isFailure(result) ? result.failure.message : "no problem"
}

const kthreadd =
  "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 2 0 0 20 0 1 0 49 0 0 18446744073709551615 0 0 0 0 0 0 0 2147483647 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

const odd =
  "213 (a) R (b) S 203 0 0 0 -1 4194304 95 0 0 0 2 1 0 0 20 0 1 0 357 2981888 380 18446744073709551615 94629349212160 94629349230089 140733701740256 0 0 0 0 6 0 1 0 0 17 1 0 0 0 0 0 94629349244176 94629349245440 94629899464704 140733701746268 140733701746284 140733701746284 140733701746667 0\n"

const withLineEnd =
  "218 (x\n" +
  "y) S 203 0 0 0 -1 4194304 93 0 0 0 2 1 0 0 20 0 1 0 416 2981888 354 18446744073709551615 93980032172032 93980032189961 140730459318176 0 0 0 0 6 0 1 0 0 17 0 0 0 0 0 0 93980032204048 93980032205312 93980519489536 140730459319908 140730459319920 140730459319920 140730459320303 0\n"

const zombie =
  "237 (sleep) Z 235 0 0 0 -1 4227084 97 0 0 0 2 2 0 0 20 0 1 0 530 0 0 18446744073709551615 0 0 0 0 0 0 0 6 0 1 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

const rollup12 =
  "55796e6ee000-7ffe5d097000 ---p 00000000 00:00 0                          [rollup]\n" +
  "Rss:                1680 kB\n" +
  "Pss:                 647 kB\n" +
  "Pss_Dirty:           140 kB\n" +
  "Pss_Anon:            104 kB\n" +
  "Pss_File:            507 kB\n" +
  "Pss_Shmem:            36 kB\n" +
  "Shared_Clean:       1436 kB\n" +
  "Shared_Dirty:          0 kB\n" +
  "Private_Clean:       104 kB\n" +
  "Private_Dirty:       140 kB\n" +
  "Referenced:         1680 kB\n" +
  "Anonymous:           104 kB\n" +
  "KSM:                   0 kB\n" +
  "LazyFree:              0 kB\n" +
  "AnonHugePages:         0 kB\n" +
  "ShmemPmdMapped:        0 kB\n" +
  "FilePmdMapped:         0 kB\n" +
  "Shared_Hugetlb:        0 kB\n" +
  "Private_Hugetlb:       0 kB\n" +
  "Swap:                  0 kB\n" +
  "SwapPss:               0 kB\n" +
  "Locked:                0 kB\n"

const rollup1 =
  "55da95fb4000-7ffd04103000 ---p 00000000 00:00 0                          [rollup]\n" +
  "Rss:                1744 kB\n" +
  "Pss:                 615 kB\n" +
  "Pss_Dirty:           144 kB\n" +
  "Pss_Anon:            108 kB\n" +
  "Pss_File:            471 kB\n" +
  "Pss_Shmem:            36 kB\n" +
  "Shared_Clean:       1600 kB\n" +
  "Shared_Dirty:          0 kB\n" +
  "Private_Clean:         0 kB\n" +
  "Private_Dirty:       144 kB\n" +
  "Referenced:         1744 kB\n" +
  "Anonymous:           108 kB\n" +
  "LazyFree:              0 kB\n" +
  "AnonHugePages:         0 kB\n" +
  "ShmemPmdMapped:        0 kB\n" +
  "FilePmdMapped:         0 kB\n" +
  "Shared_Hugetlb:        0 kB\n" +
  "Private_Hugetlb:       0 kB\n" +
  "Swap:                  0 kB\n" +
  "SwapPss:               0 kB\n" +
  "Locked:                0 kB\n"

const mappings =
  "7f078dfe5000-7f078dfe6000 r--p 00000000 00:1a 677891                     /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n" +
  "7f078dfe6000-7f078e00c000 r-xp 00001000 00:1a 677891                     /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n" +
  "7f078e00c000-7f078e016000 r--p 00027000 00:1a 677891                     /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n" +
  "7f078e016000-7f078e018000 r--p 00031000 00:1a 677891                     /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n" +
  "7f078e018000-7f078e01a000 rw-p 00033000 00:1a 677891                     /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n" +
  "7ffe5d076000-7ffe5d097000 rw-p 00000000 00:00 0                          [stack]\n"

const use =
  "7f078e018000-7f078e01a000 rw-p 00033000 00:1a 677891                     /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n" +
  "Size:                  8 kB\n" +
  "KernelPageSize:        4 kB\n" +
  "MMUPageSize:           4 kB\n" +
  "Rss:                   8 kB\n" +
  "Pss:                   8 kB\n" +
  "Pss_Dirty:             8 kB\n" +
  "Shared_Clean:          0 kB\n" +
  "Shared_Dirty:          0 kB\n" +
  "Private_Clean:         0 kB\n" +
  "Private_Dirty:         8 kB\n" +
  "Referenced:            8 kB\n" +
  "Anonymous:             8 kB\n" +
  "KSM:                   0 kB\n" +
  "LazyFree:              0 kB\n" +
  "AnonHugePages:         0 kB\n" +
  "ShmemPmdMapped:        0 kB\n" +
  "FilePmdMapped:         0 kB\n" +
  "Shared_Hugetlb:        0 kB\n" +
  "Private_Hugetlb:       0 kB\n" +
  "Swap:                  0 kB\n" +
  "SwapPss:               0 kB\n" +
  "Locked:                0 kB\n" +
  "THPeligible:           0\n" +
  "ProtectionKey:         0\n" +
  "VmFlags: rd wr mr mw me ac sd \n" +
  "7ffe5d076000-7ffe5d097000 rw-p 00000000 00:00 0                          [stack]\n" +
  "Size:                132 kB\n" +
  "KernelPageSize:        4 kB\n" +
  "MMUPageSize:           4 kB\n" +
  "Rss:                   8 kB\n" +
  "Pss:                   8 kB\n" +
  "Pss_Dirty:             8 kB\n" +
  "Shared_Clean:          0 kB\n" +
  "Shared_Dirty:          0 kB\n" +
  "Private_Clean:         0 kB\n" +
  "Private_Dirty:         8 kB\n" +
  "Referenced:            8 kB\n" +
  "Anonymous:             8 kB\n" +
  "KSM:                   0 kB\n" +
  "LazyFree:              0 kB\n" +
  "AnonHugePages:         0 kB\n" +
  "ShmemPmdMapped:        0 kB\n" +
  "FilePmdMapped:         0 kB\n" +
  "Shared_Hugetlb:        0 kB\n" +
  "Private_Hugetlb:       0 kB\n" +
  "Swap:                  0 kB\n" +
  "SwapPss:               0 kB\n" +
  "Locked:                0 kB\n" +
  "THPeligible:           0\n" +
  "ProtectionKey:         0\n" +
  "VmFlags: rd wr mr mw me gd ac \n"

const status =
  "Name:\tx\\ny\n" +
  "Umask:\t0022\n" +
  "State:\tS (sleeping)\n" +
  "Tgid:\t218\n" +
  "Ngid:\t0\n" +
  "Pid:\t218\n" +
  "PPid:\t203\n" +
  "TracerPid:\t0\n" +
  "Uid:\t0\t0\t0\t0\n" +
  "Gid:\t0\t0\t0\t0\n" +
  "FDSize:\t64\n" +
  "Groups:\t \n" +
  "Kthread:\t0\n" +
  "VmPeak:\t    2912 kB\n" +
  "VmSize:\t    2912 kB\n" +
  "VmLck:\t       0 kB\n" +
  "VmPin:\t       0 kB\n" +
  "VmHWM:\t    1680 kB\n" +
  "VmRSS:\t    1680 kB\n" +
  "RssAnon:\t     104 kB\n" +
  "RssFile:\t    1540 kB\n" +
  "RssShmem:\t      36 kB\n" +
  "VmData:\t     224 kB\n" +
  "VmStk:\t     132 kB\n" +
  "VmExe:\t      20 kB\n" +
  "VmLib:\t    1528 kB\n" +
  "VmPTE:\t      52 kB\n" +
  "VmSwap:\t       0 kB\n" +
  "HugetlbPages:\t       0 kB\n" +
  "CoreDumping:\t0\n" +
  "THP_enabled:\t1\n" +
  "Threads:\t1\n" +
  "NoNewPrivs:\t0\n" +
  "x86_Thread_features:\t\n" +
  "x86_Thread_features_locked:\t\n"

const zones =
  "Node 0, zone      DMA\n" +
  "  per-node stats\n" +
  "      nr_inactive_anon 0\n" +
  "      nr_active_anon 581\n" +
  "      nr_inactive_file 5\n" +
  "  pages free     3776\n" +
  "        boost    0\n" +
  "        min      85\n" +
  "        low      106\n" +
  "        high     127\n" +
  "        promo    148\n" +
  "        spanned  4095\n" +
  "        present  3998\n" +
  "        managed  3840\n" +
  "        cma      0\n" +
  "        protection: (0, 1948, 1948, 1948, 1948)\n" +
  "      nr_free_pages 3776\n" +
  "      nr_zone_inactive_anon 0\n" +
  "      nr_zone_active_anon 0\n" +
  "  pagesets\n" +
  "    cpu: 0\n" +
  "              count: 0\n" +
  "              high:  0\n" +
  "              batch: 1\n" +
  "  vm stats threshold: 4\n" +
  "    cpu: 1\n" +
  "              count: 0\n" +
  "              high:  0\n" +
  "              batch: 1\n" +
  "  vm stats threshold: 4\n" +
  "  node_unreclaimable:  0\n" +
  "  start_pfn:           1\n" +
  "Node 0, zone    DMA32\n" +
  "  pages free     489916\n" +
  "        boost    0\n" +
  "        min      11178\n" +
  "        low      13972\n" +
  "        high     16766\n" +
  "        promo    19560\n" +
  "        spanned  520160\n" +
  "        present  520160\n" +
  "        managed  500947\n" +
  "        cma      0\n" +
  "        protection: (0, 0, 0, 0, 0)\n" +
  "      nr_free_pages 489916\n" +
  "      nr_zone_inactive_anon 0\n" +
  "      nr_zone_active_anon 581\n" +
  "  pagesets\n" +
  "    cpu: 0\n" +
  "              count: 405\n" +
  "              high:  7755\n" +
  "              batch: 63\n" +
  "  vm stats threshold: 20\n" +
  "    cpu: 1\n" +
  "              count: 1783\n" +
  "              high:  7781\n" +
  "              batch: 63\n" +
  "  vm stats threshold: 20\n" +
  "  node_unreclaimable:  0\n" +
  "  start_pfn:           4096\n" +
  "Node 0, zone   Normal\n" +
  "  pages free     0\n" +
  "        boost    0\n" +
  "        min      0\n" +
  "        low      0\n" +
  "        high     0\n" +
  "        promo    0\n" +
  "        spanned  0\n" +
  "        present  0\n" +
  "        managed  0\n" +
  "        cma      0\n" +
  "        protection: (0, 0, 0, 0, 0)\n"

const memory =
  "00000000-00000fff : Reserved\n" +
  "00001000-0009fbff : System RAM\n" +
  "0009fc00-0009ffff : Reserved\n" +
  "000a0000-000bffff : PCI Bus 0000:00\n" +
  "000c0000-000c05ff : Video ROM\n" +
  "000f0000-000fffff : Reserved\n" +
  "  000f0000-000fffff : System ROM\n" +
  "00100000-7ffdffff : System RAM\n" +
  "  23c00000-24bfffff : Kernel code\n" +
  "  24c00000-25770fff : Kernel rodata\n" +
  "  25800000-25a70f7f : Kernel data\n" +
  "  26336000-267fffff : Kernel bss\n" +
  "7ffe0000-7fffffff : Reserved\n" +
  "80000000-afffffff : PCI Bus 0000:00\n" +
  "b0000000-bfffffff : PCI ECAM 0000 [bus 00-ff]\n" +
  "  b0000000-bfffffff : Reserved\n" +
  "    b0000000-bfffffff : pnp 00:04\n" +
  "c0000000-febfffff : PCI Bus 0000:00\n" +
  "  febf4000-febf7fff : 0000:00:01.0\n" +
  "    febf4000-febf7fff : virtio-pci-modern\n"

describe("/proc/PID/stat", () => {
  it("reads names with blanks, parentheses and line ends", () => {
    assert.strictEqual(read(processStat, odd).comm, "a) R (b")
    assert.strictEqual(read(processStat, withLineEnd).comm, "x\ny")
    for (const text of [odd, withLineEnd, kthreadd, zombie]) assert.strictEqual(processStat.encode(read(processStat, text)), text)
  })

  it("knows kernel threads and zombies", () => {
    const { flags, startTime, ...thread } = read(processStat, kthreadd)
    assert.deepStrictEqual([thread.pid, thread.comm, thread.state, startTime, flags], [2, "kthreadd", "S", 49n, 0x20_8040])
    assert.isTrue(isKernelThread(read(processStat, kthreadd)))
    assert.isFalse(isDead(read(processStat, kthreadd)))
    assert.isTrue(isDead(read(processStat, zombie)))
    assert.isFalse(isKernelThread(read(processStat, zombie)))
  })

  it("reads faults, times and sizes where they stand", () => {
    const stat = read(processStat, odd)
    assert.deepStrictEqual(
      [stat.ppid, stat.minorFaults, stat.majorFaults, stat.userTicks, stat.systemTicks, stat.threads],
      [203, 95n, 0n, 2n, 1n, 1]
    )
    assert.deepStrictEqual([stat.startTime, stat.virtualBytes, stat.rssPages, stat.rest[0]], [357n, 2_981_888, 380, "18446744073709551615"])
  })

  it("says what is wrong", () => {
    assert.match(problem(processStat, "12 cat S 1 2 3\n"), /no name in parentheses/)
    assert.match(problem(processStat, "12 (cat) S 1 2 3\n"), /at least 22 fields/)
  })
})

describe("/proc/PID/status, statm, children, clear_refs", () => {
  it("status: sizes in bytes, everything else as it stands", () => {
    const { amounts, fields } = read(processStatus, status)
    assert.deepStrictEqual([amounts.VmHWM, amounts.RssAnon, amounts.VmSwap], [1680 * 1024, 104 * 1024, 0])
    assert.deepStrictEqual([fields["Name"], fields["Uid"], fields["Groups"], fields["Threads"]], ["x\\ny", "0\t0\t0\t0", "", "1"])
  })

  it("a process that calls itself like a size is not taken for one", () => {
    assert.deepStrictEqual(read(processStatus, "Name:\t5 kB\n"), { amounts: {}, fields: { Name: "5 kB" } })
  })

  it("statm, children, clear_refs", () => {
    assert.deepStrictEqual(read(processSize, "728 420 394 5 0 89 0\n"), { virtual: 728, resident: 420, shared: 394, text: 5, data: 89 })
    assert.match(problem(processSize, "728 420 394\n"), /seven numbers/)
    assert.deepStrictEqual(read(processChildren, "213 218 231 232 "), [213, 218, 231, 232])
    assert.deepStrictEqual(read(processChildren, ""), [])
    assert.strictEqual(clearRefs.encode("softDirty"), "4\n")
    assert.match(problem(clearRefs, "6"), /none of 1 to 5/)
  })
})

describe("maps and smaps", () => {
  it("maps: prints what it read, to the byte", () => {
    const found = read(maps, mappings)
    assert.strictEqual(maps.encode(found), mappings)
    assert.deepStrictEqual(found[1], {
      start: 0x7f07_8dfe_6000n,
      end: 0x7f07_8e00_c000n,
      permissions: "r-xp",
      offset: 0x1000n,
      device: "00:1a",
      inode: 677_891n,
      path: "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    })
  })

  it("maps: the vsyscall page, no name, blanks and deleted files", () => {
    const text =
      "7f0000000000-7f0000001000 rw-s 00000000 00:01 2049                       /memfd:a b (deleted)\n" +
      "7f0000002000-7f0000003000 rw-p 00000000 00:00 0 \n" +
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
    const found = read(maps, text)
    assert.strictEqual(maps.encode(found), text)
    assert.deepStrictEqual(
      found.map(({ path }) => path),
      ["/memfd:a b (deleted)", "", "[vsyscall]"]
    )
    assert.strictEqual(found[2]!.start, 0xffff_ffff_ff60_0000n)
  })

  it("smaps: bytes, counts, flags; prints what it read, to the byte", () => {
    const found = read(smaps, use)
    assert.strictEqual(smaps.encode(found), use)
    assert.lengthOf(found, 2)
    assert.strictEqual(found[0]!.amounts.Private_Dirty, 8192)
    assert.deepStrictEqual(found[1]!.counts, { THPeligible: 0, ProtectionKey: 0 })
    assert.deepStrictEqual(found[1]!.flags, ["rd", "wr", "mr", "mw", "me", "gd", "ac"])
    assert.strictEqual(found[1]!.path, "[stack]")
  })

  it("smaps_rollup of 6.12 and of 6.1, which lacks KSM", () => {
    assert.strictEqual(smapsRollup.encode(read(smapsRollup, rollup12)), rollup12)
    assert.strictEqual(smapsRollup.encode(read(smapsRollup, rollup1)), rollup1)
    assert.strictEqual(read(smapsRollup, rollup12).amounts.KSM, 0)
    assert.isUndefined(read(smapsRollup, rollup1).amounts.KSM)
    assert.strictEqual(read(smapsRollup, rollup1).amounts.Rss, 1744 * 1024)
  })

  it("say what is wrong, and where", () => {
    assert.match(problem(maps, mappings.replace("r-xp", "rqxp")), /maps line 2: expected permissions/)
    assert.match(problem(maps, "7f00-8f00 rw-p 0 00:00 \n"), /inode/)
    assert.match(problem(smaps, "Rss: 1 kB\n"), /line 1: expected a mapping first/)
    assert.match(problem(smaps, use.replace("Rss:                   8 kB", "Rss:                   8 MB")), /line 5: expected kB/)
    assert.match(problem(smapsRollup, mappings), /\[rollup\]/)
  })
})

describe("zoneinfo and iomem", () => {
  it("zoneinfo: prints what it read, to the byte", () => {
    const found = read(zoneInfo, zones)
    assert.strictEqual(zoneInfo.encode(found), zones)
    assert.deepStrictEqual(
      found.map(({ name, node }) => [node, name]),
      [
        [0, "DMA"],
        [0, "DMA32"],
        [0, "Normal"]
      ]
    )
    assert.deepStrictEqual([found[1]!.pages.low, found[1]!.pages.promo, found[1]!.pages.managed], [13_972, 19_560, 500_947])
    assert.deepStrictEqual(found[1]!.cpus[1], { cpu: 1, values: { count: 1783, high: 7781, batch: 63 }, statThreshold: 20 })
    assert.isDefined(found[0]!.nodeCounters)
    assert.isUndefined(found[1]!.nodeCounters)
    assert.deepStrictEqual(found[0]!.protection, [0, 1948, 1948, 1948, 1948])
    assert.deepStrictEqual(found[1]!.rest, { node_unreclaimable: 0n, start_pfn: 4096n })
    assert.deepStrictEqual(found[2]!.cpus, [])
  })

  it("iomem: a tree, printed to the byte; memory is what is called System RAM", () => {
    const found = read(ioMem, memory)
    assert.strictEqual(ioMem.encode(found), memory)
    const ram = systemRam(found)
    assert.deepStrictEqual(
      ram.map(({ end, start }) => [start, end]),
      [
        [0x1000n, 0x9_fbffn],
        [0x10_0000n, 0x7ffd_ffffn]
      ]
    )
    assert.strictEqual(ram[1]!.children[0]!.name, "Kernel code")
    assert.deepStrictEqual(systemRam(read(ioMem, "00000000-00000000 : System RAM\n")), [])
    assert.match(problem(ioMem, "    00000000-00000000 : x\n"), /lies in none/)
  })
})
