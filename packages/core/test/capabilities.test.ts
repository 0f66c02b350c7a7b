/** Probing, on fake machines of every layout, and on this one (read-only). */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Capability, findCgroupMount, findCgroupMounts, KernFs, probeCapabilities } from "../src/index.ts"
import { FakeFs, FakeKernel } from "../src/testing.ts"

const probe = (fs: FakeFs) =>
  Effect.map(
    Effect.provide(probeCapabilities, KernFs.layerOver(fs)),
    (list) => Object.fromEntries(list.map((c) => [c.id, c])) as Record<string, Capability>
  )

const row = (point: string, type: string, options: string, superOptions: string) =>
  `31 23 0:28 / ${point} ${options} - ${type} none ${superOptions}\n`

const hybrid = () => {
  const fs = new FakeFs()
  fs.file(
    "/proc/self/mountinfo",
    row("/sys/fs/cgroup", "tmpfs", "rw", "rw") +
      row("/sys/fs/cgroup/memory", "cgroup", "rw", "rw,memory") +
      row("/sys/fs/cgroup/unified", "cgroup2", "rw", "rw")
  )
  fs.file("/sys/fs/cgroup/unified/cgroup.controllers", "\n")
  fs.file("/proc/sys/kernel/osrelease", "6.18.44\n")
  return fs
}

const isWellFormed = (list: ReadonlyArray<Capability>) => {
  assert.strictEqual(new Set(list.map(({ id }) => id)).size, list.length)
  for (const entry of list) {
    assert.include(["yes", "no", "off", "busy"], entry.state)
    for (const text of [entry.title, entry.detail, entry.use, entry.enable ?? "x"]) assert.match(text, /^[^\n]+$/)
    if (entry.state === "off" || entry.state === "busy") assert.isString(entry.enable, `${entry.id} says what to do`)
  }
}

describe("findCgroupMount", () => {
  it.effect("finds v2, and that memory is on v1 of a hybrid machine", () =>
    Effect.gen(function* () {
      const layer = KernFs.layerOver(hybrid())
      assert.deepStrictEqual(yield* Effect.provide(findCgroupMount, layer), {
        path: "/sys/fs/cgroup/unified",
        controllers: [],
        memory: false,
        readOnly: false
      })
      assert.strictEqual((yield* Effect.provide(findCgroupMounts, layer)).v1Memory, "/sys/fs/cgroup/memory")
    })
  )

  it.effect("finds the mount of the fake kernel; none without /proc", () =>
    Effect.gen(function* () {
      const mount = yield* Effect.provide(findCgroupMount, new FakeKernel().layer)
      assert.deepStrictEqual([mount?.path, mount?.memory, mount?.readOnly], ["/sys/fs/cgroup", true, false])
      assert.isUndefined(yield* Effect.provide(findCgroupMount, KernFs.layerOver(new FakeFs())))
    })
  )

  it.effect("prefers the mount with the memory controller that can be written", () => {
    const fs = new FakeFs()
    fs.file("/proc/self/mountinfo", row("/a", "cgroup2", "rw", "rw") + row("/b", "cgroup2", "ro", "rw") + row("/c", "cgroup2", "rw", "rw"))
    fs.file("/a/cgroup.controllers", "cpu\n")
    fs.file("/b/cgroup.controllers", "memory\n")
    fs.file("/c/cgroup.controllers", "cpu memory\n")
    return Effect.gen(function* () {
      assert.strictEqual((yield* findCgroupMount)?.path, "/c")
      fs.remove("/c")
      assert.deepStrictEqual(yield* findCgroupMount, { path: "/b", controllers: ["memory"], memory: true, readOnly: true })
    }).pipe(Effect.provide(KernFs.layerOver(fs)))
  })
})

describe("probeCapabilities", () => {
  it.effect("a well-equipped machine", () =>
    Effect.gen(function* () {
      const kernel = new FakeKernel({ workingSet: true })
      kernel.fs.file("/proc/self/status", "Name:\tnode\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n")
      kernel.fs.file("/sys/kernel/mm/page_idle/bitmap", "")
      kernel.fs.file("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "0\n")
      const found = yield* probe(kernel.fs)
      isWellFormed(Object.values(found))
      for (const id of [
        "kernel",
        "privileges",
        "cgroup-v2",
        "memory-controller",
        "memory-reclaim",
        "psi",
        "swap",
        "zswap",
        "mglru",
        "mglru-debugfs",
        "damon",
        "working-set",
        "idle-bitmap"
      ]) {
        assert.strictEqual(found[id]!.state, "yes", id)
      }
      assert.include(found["memory-reclaim"]!.detail, "swappiness= is expected, by the release alone")
      assert.deepStrictEqual(kernel.fs.writes, [])
    })
  )

  it.effect("a machine that has nothing says so, and what to do", () =>
    Effect.gen(function* () {
      const found = yield* probe(new FakeFs())
      isWellFormed(Object.values(found))
      assert.isFalse(Object.values(found).some(({ state }) => state === "yes"))
    })
  )

  it.effect("memory on v1 of a hybrid machine; DAMON in use by somebody", () =>
    Effect.gen(function* () {
      const fs = hybrid()
      const kdamond = "/sys/kernel/mm/damon/admin/kdamonds/0"
      fs.file(`${kdamond}/state`, "on\n")
      fs.file(`${kdamond}/pid`, "77\n")
      fs.file(`${kdamond}/contexts/0/avail_operations`, "paddr\n")
      fs.file("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "1\n")
      const found = yield* probe(fs)
      isWellFormed(Object.values(found))
      assert.include(found["cgroup-v2"]!.detail, "hybrid (v1 and v2), mounted at /sys/fs/cgroup/unified, controllers: none")
      assert.strictEqual(found["memory-controller"]!.state, "off")
      assert.include(found["memory-controller"]!.detail, "/sys/fs/cgroup/memory")
      assert.strictEqual(found["memory-reclaim"]!.state, "no")
      assert.deepStrictEqual(
        [found["damon"]!.state, found["damon"]!.detail],
        ["busy", "in use by somebody: kdamond 0 (pid 77); operations: paddr"]
      )
      assert.deepStrictEqual(fs.writes, [])
    })
  )

  it.effect("a DAMON module that is enabled counts as somebody; one that is not does not", () =>
    Effect.gen(function* () {
      const fs = hybrid()
      fs.file("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "0\n")
      fs.file("/sys/module/damon_stat/parameters/enabled", "N\n")
      assert.strictEqual((yield* probe(fs))["damon"]!.state, "yes")
      fs.file("/sys/module/damon_reclaim/parameters/enabled", "Y\n")
      assert.include((yield* probe(fs))["damon"]!.detail, "module damon_reclaim")
    })
  )

  it.effect("zswap: off, and on without swap behind it", () =>
    Effect.gen(function* () {
      const kernel = new FakeKernel({ swaps: () => [] })
      assert.include((yield* probe(kernel.fs))["zswap"]!.detail, "on, but no swap behind it")
      kernel.fs.file("/sys/module/zswap/parameters/enabled", "N\n")
      const { enable, state } = (yield* probe(kernel.fs))["zswap"]!
      assert.deepStrictEqual([state, enable], ["off", "echo 1 > /sys/module/zswap/parameters/enabled"])
    })
  )

  it.effect("warns of zram above disk swap", () =>
    Effect.gen(function* () {
      const area = (path: string, priority: number) => ({ path, type: "partition", sizeBytes: 2 ** 30, usedBytes: 0, priority })
      const kernel = new FakeKernel({ swaps: () => [area("/dev/zram0", 100), area("/dev/vda2", -2)] })
      kernel.fs.file("/sys/block/zram0/disksize", "1073741824\n")
      const { detail, state } = (yield* probe(kernel.fs))["zram"]!
      assert.deepStrictEqual(
        [state, detail],
        ["yes", "zram0 1.00 GiB; priority 100, above /dev/vda2: cold pages fill zram and warm ones go to disk"]
      )
    })
  )

  it.effect("warns of huge pages that pass zswap by, before 6.13 only and with zswap only", () =>
    Effect.gen(function* () {
      const kernel = new FakeKernel({ release: "6.12.38-fake" })
      const thp = "/sys/kernel/mm/transparent_hugepage"
      const found = Effect.map(probe(kernel.fs), (list) => list["thp"]!)
      assert.strictEqual((yield* found).state, "no")
      kernel.fs.file(`${thp}/enabled`, "[always] madvise never\n")
      const warned = yield* found
      isWellFormed([warned])
      assert.include(warned.detail, "pass it by")
      assert.strictEqual(warned.enable, `echo madvise > ${thp}/enabled`)
      kernel.fs.file(`${thp}/hugepages-2048kB/enabled`, "always [inherit] madvise never\n")
      assert.include((yield* found).detail, "pass it by")
      kernel.fs.file(`${thp}/enabled`, "always [madvise] never\n")
      assert.deepStrictEqual([(yield* found).detail, (yield* found).enable], ["madvise", undefined])
      kernel.fs.file(`${thp}/hugepages-64kB/enabled`, "[always] inherit madvise never\n")
      assert.strictEqual((yield* found).enable, `echo madvise > ${thp}/hugepages-SIZEkB/enabled`)
      kernel.fs.file("/sys/module/zswap/parameters/enabled", "N\n")
      assert.deepStrictEqual([(yield* found).detail, (yield* found).enable], ["madvise, but always for some sizes", undefined])
      kernel.fs.file("/sys/module/zswap/parameters/enabled", "Y\n")
      kernel.fs.file("/proc/sys/kernel/osrelease", "6.13.0\n")
      assert.isUndefined((yield* found).enable)
    })
  )

  it.effect("names missing capabilities and what they are for", () =>
    Effect.gen(function* () {
      const kernel = new FakeKernel()
      kernel.fs.file("/proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001fffeffffff\n")
      const { detail, state } = (yield* probe(kernel.fs))["privileges"]!
      assert.strictEqual(state, "off")
      assert.strictEqual(detail, "running as root, without CAP_SYS_RESOURCE (PSI triggers with windows that are not multiples of 2 s)")
    })
  )

  it.effect("a switched-off MGLRU, debugfs not mounted, a read-only cgroup mount", () =>
    Effect.gen(function* () {
      const kernel = new FakeKernel()
      kernel.fs.file("/sys/kernel/mm/lru_gen/enabled", "0x0000\n")
      kernel.fs.remove("/sys/kernel/debug/lru_gen")
      kernel.fs.file("/proc/self/mountinfo", row("/sys/fs/cgroup", "cgroup2", "ro,nosuid", "rw"))
      const found = yield* probe(kernel.fs)
      isWellFormed(Object.values(found))
      assert.strictEqual(found["mglru"]!.enable, "echo y > /sys/kernel/mm/lru_gen/enabled")
      assert.strictEqual(found["mglru-debugfs"]!.enable, "mount -t debugfs none /sys/kernel/debug")
      assert.include(found["cgroup-v2"]!.detail, "mounted read-only at /sys/fs/cgroup")
    })
  )

  it.effect("this machine, whatever it is: well-formed, and nothing fails", () =>
    Effect.map(Effect.provide(probeCapabilities, KernFs.layer), isWellFormed)
  )
})
