import { assert, describe, it } from "@effect/vitest"
import { makeKdamond, makeScheme } from "@wmo/core"
import { Random, type Step, type TaskProgram, type Workload } from "../src/index.ts"
import { firstFrame } from "../src/Frames.ts"
import { locationOf, RESIDENT } from "../src/PageTable.ts"
import { mib, withGroups, workload } from "./harness.ts"

const job = (random: Random): Workload => {
  const pages = 20 + random.nextBelow(200)
  return workload(pages, [
    function* () {
      yield { _tag: "Touch", first: 0, pages, count: 3 * pages, order: "random", thinkUs: 5, isWrite: true }
      yield { _tag: "Touch", first: 1500, pages: 100, count: 100, order: "sequential", thinkUs: 5, isShared: true }
      yield { _tag: "Sleep", us: 1 + random.nextBelow(50_000) }
    }
  ])
}

/** Starts and awaits processes, touches, frees and sleeps at random. */
const chaos: TaskProgram = function* ({ random }) {
  for (;;) {
    const first = random.nextBelow(1900)
    const pages = 1 + random.nextBelow(100)
    const steps: ReadonlyArray<() => Step> = [
      () => ({ _tag: "Touch", first, pages, count: 200, order: "random", thinkUs: 2, isWrite: random.nextBelow(2) === 0 }),
      () => ({ _tag: "Free", first, pages }),
      () => ({ _tag: "Start", workload: job(random) }),
      () => ({ _tag: "Wait", running: random.nextBelow(4) }),
      () => ({ _tag: "Sleep", us: 1 + random.nextBelow(20_000) })
    ]
    yield steps[random.nextBelow(steps.length)]!()
  }
}

describe("conservation", () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`processes, CPUs, zram and DAMON's schemes lose no page, no frame and no byte, seed ${seed}`, () => {
      const random = Random.stream(seed, "test")
      const memTotalBytes = 24 * mib
      const sim = withGroups({
        seed,
        cpus: 1 + (seed % 2),
        swapDevice: "zram",
        zswap: seed > 2 ? {} : false,
        swapBytes: 16 * mib,
        memTotalBytes
      })
      const compressibility = { zeroShare: 0.1, incompressibleShare: 0.2, medianRatio: 2, ratioSigma: 0.5 }
      const pid = sim.addWorkload("demo", workload(1500, [chaos, chaos], { filePages: 500, compressibility }))
      const group = sim.group("demo")
      const all = { sz: { min: 4096, max: Infinity }, nrAccesses: { min: 0, max: 2 }, age: { min: 0, max: Infinity } }
      const actions = ["pageout", "cold", "lru_prio", "lru_deprio", "willneed"]
      const schemes = actions.map((action) => makeScheme({ action, pattern: all, quotas: { bytes: mib, resetIntervalMs: 50 } }))
      const intervals = { sampleUs: 1000, aggrUs: 10_000 }
      const regions = [{ start: BigInt(firstFrame * 4096), end: BigInt(firstFrame * 4096 + memTotalBytes) }]
      sim.damon.start(0, 1, makeKdamond({ intervals, regions, schemes }).contexts[0]!)
      sim.damon.start(1, 2, makeKdamond({ intervals, pids: [pid], schemes }).contexts[0]!)
      for (let i = 0; i < 100; i++) {
        sim.advance(1 + random.nextBelow(40))
        const { pages } = group
        const resident: Array<number> = []
        let out = 0
        for (let page = 0; page < pages.used; page++) {
          const flags = pages.flags[page]!
          if ((flags & RESIDENT) !== 0) resident.push(page)
          else if (locationOf(flags) !== 0) out++
        }
        assert.strictEqual(group.tree.residentPages, resident.length)
        assert.strictEqual(group.ownResident, resident.length)
        assert.strictEqual(sim.offload("demo").pages, out)
        const { onDisk, zero, zswapped } = group.census()
        assert.strictEqual(group.tree.swapPages, onDisk + zero + zswapped)
        assert.strictEqual(sim.kernel.zram!.devices.get(0)!.stat.origDataBytes, onDisk * 4096)
        const { grossByteSeconds, netByteSeconds } = sim.offload("demo")
        assert.isAtMost(netByteSeconds, grossByteSeconds)
        // Every page that is in memory has one frame, and no other page has any.
        const framed: Array<number> = []
        for (let frame = 0; frame < sim.frames!.end; frame++) {
          const page = sim.frames!.pageAt(frame)
          if (page >= 0) framed.push(page)
        }
        assert.deepStrictEqual(
          framed.toSorted((a, b) => a - b),
          resident
        )
        const regionsNow = sim.damon.regions(0)[0]!
        assert.strictEqual(
          regionsNow.reduce((sum, { size }) => sum + size, 0),
          memTotalBytes
        )
        assert.isTrue(regionsNow.every(({ end, start }, n) => start < end && (n === 0 || regionsNow[n - 1]!.end === start)))
      }
      assert.isAbove(sim.outcome("demo").processes, 50)
      assert.isAbove(Number(sim.damon.stats(0, 0).szApplied), 0)
    })
  }
})
