import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type MemoryGroup, Random, type Simulation, type Step, type TaskProgram } from "../src/index.ts"
import { FILE, IN_ZSWAP, locationOf, RESIDENT } from "../src/PageTable.ts"
import { mib, readGroup, runIn, withGroups, workload } from "./harness.ts"

/** Random steps over 3,000 pages, reads and writes, ranges and lists, frees and pauses. */
const chaos: TaskProgram = function* ({ random }) {
  for (;;) {
    const first = random.nextBelow(2900)
    const pages = 1 + random.nextBelow(100)
    const steps: ReadonlyArray<Step> = [
      { _tag: "Touch", first, pages, count: 200, order: "random", thinkUs: 2, isWrite: random.nextBelow(2) === 0, touchesPerOperation: 3 },
      { _tag: "Touch", first, pages, count: pages, order: "sequential", thinkUs: 1, touchesPerOperation: 1 },
      { _tag: "TouchList", list: [first, 2999, first + 1], thinkUs: 1, isWrite: true },
      { _tag: "Free", first, pages },
      { _tag: "Sleep", us: 1 + random.nextBelow(5000) }
    ]
    yield steps[random.nextBelow(steps.length)]!
  }
}

/** Recounts everything that is kept incrementally. */
const verify = (sim: Simulation, group: MemoryGroup): void => {
  const { pages } = group
  const census = group.census()
  const total = Object.values(census).reduce((sum, count) => sum + count, 0)
  assert.strictEqual(total, pages.used, "every page is somewhere")
  const lists = Array.from({ length: 9 }, () => 0)
  let pool = 0
  let misplaced = 0
  for (let page = 0; page < pages.used; page++) {
    const flags = pages.flags[page]!
    if ((flags & RESIDENT) !== 0) {
      lists[pages.list[page]!]!++
      if (pages.list[page]! >= 4 !== ((flags & FILE) !== 0)) misplaced++
    } else if (locationOf(flags) === IN_ZSWAP) {
      lists[8]!++
      pool += pages.compressed[page]!
    }
  }
  assert.strictEqual(misplaced, 0, "file pages are on file lists, anon pages on anon lists")
  assert.deepStrictEqual([...pages.counts], lists, "pages per generation match a recount")
  const shown = group.generations.table(0)
  const sum = (key: "anonPages" | "filePages") => shown.reduce((all, generation) => all + generation[key], 0)
  assert.strictEqual(sum("anonPages"), census.residentAnon)
  assert.strictEqual(sum("filePages"), census.residentFile + census.dirtyFile)
  assert.isAtMost(shown.length, 4)
  assert.isAtLeast(shown.length, 2)
  assert.strictEqual(group.dirtyFile, census.dirtyFile)
  assert.strictEqual(group.ownPoolBytes, pool)
  const resident = census.residentAnon + census.residentFile + census.dirtyFile
  assert.strictEqual(group.tree.residentPages, resident)
  assert.strictEqual(group.tree.swapPages, census.zswapped + census.zero + census.onDisk)
  assert.strictEqual(group.currentBytes(), (resident + Math.ceil(pool / 4096)) * 4096)
  assert.strictEqual(sim.group("").tree.residentPages, resident, "charges reach the root")
}

describe("conservation", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it.live(`no page and no charge is lost under random operations, seed ${seed}`, () => {
      // Small pool, small swap, limits that come and go: every refusal is reached.
      const sim = withGroups({ seed, swapBytes: 6 * mib, memTotalBytes: 64 * mib, zswap: { maxPoolPercent: seed % 2 === 0 ? 1 : 20 } })
      const random = Random.stream(seed, "test")
      sim.addWorkload(
        "demo",
        workload(2000, [chaos, chaos], {
          filePages: 1000,
          compressibility: { zeroShare: 0.1, incompressibleShare: 0.2, medianRatio: 2, ratioSigma: 0.5 }
        })
      )
      const group = sim.group("demo")
      const write = (file: string, text: string) => {
        const fd = sim.kernel.fs.openSync(file, 1)
        try {
          sim.kernel.fs.writeSync(fd, new TextEncoder().encode(text))
          return "met"
        } catch (error) {
          return (error as { readonly code: string }).code
        } finally {
          sim.kernel.fs.closeSync(fd)
        }
      }
      const at = "/sys/fs/cgroup/demo"
      return runIn(
        sim,
        Effect.gen(function* () {
          for (let i = 0; i < 300; i++) {
            sim.advance(random.nextBelow(20))
            const max = group.generations.maxSeq
            const commands: ReadonlyArray<readonly [string, string]> = [
              [`${at}/memory.reclaim`, `${random.nextBelow(2 * mib)} swappiness=${random.nextBelow(201)}`],
              [`${at}/memory.reclaim`, `${random.nextBelow(8 * mib)} swappiness=max`],
              ["/sys/kernel/debug/lru_gen", `+ ${sim.kernel.cgroups.group("demo").id} 0 ${max}`],
              ["/sys/kernel/debug/lru_gen", `- ${sim.kernel.cgroups.group("demo").id} 0 ${max - 2} ${random.nextBelow(201)}`],
              [`${at}/memory.high`, random.nextBelow(2) === 0 ? "max" : String(6 * mib)],
              [`${at}/memory.zswap.max`, random.nextBelow(2) === 0 ? "max" : String(mib)],
              [`${at}/memory.zswap.writeback`, String(random.nextBelow(2))],
              [`${at}/memory.swap.max`, random.nextBelow(2) === 0 ? "max" : String(3 * mib)]
            ]
            const outcome = write(...commands[random.nextBelow(commands.length)]!)
            assert.include(["met", "EAGAIN"], outcome)
            verify(sim, group)
          }
          const { current, stat, swap, zswap } = yield* readGroup("demo")
          const census = group.census()
          assert.strictEqual(stat.anon, census.residentAnon * 4096)
          assert.strictEqual(stat.file, (census.residentFile + census.dirtyFile) * 4096)
          assert.strictEqual(stat.zswapped, census.zswapped * 4096)
          assert.strictEqual(stat.zswap, zswap)
          assert.strictEqual(current, stat.anon! + stat.file! + Math.ceil(zswap / 4096) * 4096)
          assert.strictEqual(swap, group.tree.swapPages * 4096)
          assert.strictEqual(stat.pgsteal, stat.pgsteal_direct! + stat.pgsteal_proactive!)
          // What went out has come back, is still out, or was freed there.
          assert.isTrue(stat.zswpout! - stat.zswpin! - stat.zswpwb! >= BigInt(census.zswapped))
          // The end of the workload gives all of it back.
          sim.kernel.fs.writeSync(sim.kernel.fs.openSync(`${at}/cgroup.kill`, 1), new TextEncoder().encode("1"))
          sim.advance(1)
          assert.isTrue(sim.outcome("demo").finished)
          assert.strictEqual(group.currentBytes(), 0)
          assert.strictEqual(group.tree.swapPages, 0)
        })
      )
    })
  }
})
