/**
 * The conformance suites on the kernel that runs: as root in a VM guest (`wmo vm run -- …`), never in the unit run.
 * Expects cgroup v2 at /sys/fs/cgroup with memory in the root's subtree_control, zswap on with swap behind it, debugfs; runs on Debian's 6.12 and 6.1.
 */
import "../../../tooling/inGuest.ts"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { existsSync } from "node:fs"
import { release } from "node:os"
import {
  realProcess,
  testCgroups,
  testGroupTree,
  testDamon,
  testJournal,
  testKernFs,
  testMglru,
  testPages,
  testPressure,
  testProcesses,
  testZram,
  testZswap
} from "../src/conformance.ts"
import {
  Cgroups,
  Damon,
  DamonModules,
  DamonTrace,
  findCgroupMount,
  IdlePages,
  KernelPages,
  KernFs,
  Machine,
  Mglru,
  PageMap,
  Pressure,
  probeCapabilities,
  Processes,
  ProcessMemory,
  systemRam,
  Zram,
  Zswap
} from "../src/index.ts"

const cgroups = Layer.provideMerge(Cgroups.layer, KernFs.layer)
const services = Layer.mergeAll(Mglru.layer, Machine.layer, Pressure.layer, Zram.layer, Zswap.layer).pipe(Layer.provideMerge(cgroups))

testKernFs("the running kernel", cgroups)
testCgroups("the running kernel", cgroups)
testGroupTree("the running kernel", cgroups)
testMglru("the running kernel", services)
testZswap("the running kernel", services)
testZram("the running kernel", services)
testPressure("the running kernel", services)
testJournal("the running kernel", cgroups)

const ofProcesses = Layer.mergeAll(Processes.layer, ProcessMemory.layer, KernelPages.layer, IdlePages.layer).pipe(
  Layer.provideMerge(PageMap.layer),
  Layer.provideMerge(KernFs.layer)
)
const [major, minor] = release().split(".").map(Number)
testProcesses("the running kernel", ofProcesses, realProcess)
testPages("the running kernel", ofProcesses, realProcess, {
  pagemapScan: major! > 6 || (major === 6 && minor! >= 7),
  // Debian builds its kernels without.
  idleTracking: existsSync("/sys/kernel/mm/page_idle")
})

testDamon("the running kernel", Layer.mergeAll(Damon.layer, DamonModules.layer, DamonTrace.layer).pipe(Layer.provideMerge(KernFs.layer)))

describe("the running kernel", () => {
  it.effect("has what the suites need", () =>
    Effect.gen(function* () {
      const found = Object.fromEntries((yield* probeCapabilities).map(({ id, state }) => [id, state]))
      for (const id of ["cgroup-v2", "memory-controller", "memory-reclaim", "psi", "swap", "zswap", "mglru-debugfs"]) {
        assert.strictEqual(found[id], "yes", id)
      }
      // Debian's 6.1 has it switched off; `testMglru` switches it on.
      assert.include(["yes", "off"], found["mglru"])
      assert.strictEqual((yield* findCgroupMount)?.path, "/sys/fs/cgroup")
    }).pipe(Effect.provide(services))
  )

  it.effect("its files are understood", () =>
    Effect.gen(function* () {
      const machine = yield* Machine
      const zswap = yield* Zswap
      assert.isAbove((yield* machine.memInfo)["MemTotal"]!, 0)
      assert.strictEqual(typeof (yield* machine.vmstat)["pgfault"], "bigint")
      assert.isAbove(
        (yield* machine.zones).reduce((sum, { pages }) => sum + (pages.managed ?? 0), 0),
        100_000
      )
      const ram = systemRam(yield* machine.physicalMap).reduce((bytes, { end, start }) => bytes + Number(end - start), 0)
      assert.isAbove(ram, (yield* machine.memInfo)["MemTotal"]!)
      assert.isAtLeast((yield* machine.swaps).length, 1)
      assert.isDefined((yield* machine.pressure).some)
      assert.isTrue((yield* zswap.parameters).enabled)
      assert.isAtLeast((yield* zswap.pool).totalBytes, 0)
    }).pipe(Effect.provide(services))
  )
})
