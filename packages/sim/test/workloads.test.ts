/** What the built-in workloads do with their pages: each against what its header says, watched from outside. */
import { assert, describe, it } from "@effect/vitest"
import { processStat } from "@wmo/core"
import { Result } from "effect"
import { findSimScenario, observeRun, type SimScenario, simScenarios, type Simulation } from "../src/index.ts"
import { minAge1, minAge2 } from "../src/workloads/minAge.ts"
import { keyValueGauss, keyValueZipf } from "../src/workloads/keyValue.ts"
import { cacheFiller } from "../src/workloads/cacheFiller.ts"
import { phases } from "../src/workloads/phases.ts"
import { mib, withGroups } from "./harness.ts"

const start = ({ make, maxBytes }: Pick<SimScenario, "make" | "maxBytes">, seed = 1): Simulation => {
  const sim = withGroups({ seed })
  if (maxBytes !== undefined) sim.kernel.cgroups.group("demo").limits.max = maxBytes
  sim.addWorkload("demo", make())
  return sim
}

/** The pages accessed in each second. */
const accessesOf = (make: SimScenario["make"], seconds: number, seed = 1): ReadonlyArray<ReadonlySet<number>> => {
  const seen: Array<Set<number>> = []
  let now = new Set<number>()
  observeRun(start({ make }, seed), "demo", seconds, 1000, {
    access: (page) => void now.add(page),
    gone: () => {},
    tick: () => {
      seen.push(now)
      now = new Set()
    }
  })
  return seen
}

const union = (sets: ReadonlyArray<ReadonlySet<number>>) => new Set(sets.flatMap((set) => [...set]))

describe("workloads", () => {
  it("have names of their own and a line each", () => {
    assert.strictEqual(new Set(simScenarios.map(({ name }) => name)).size, simScenarios.length)
    for (const { make, name, summary } of simScenarios) {
      assert.match(name, /^[a-z][a-z0-9-]+$/)
      assert.isBelow(summary.length, 100)
      assert.strictEqual(make().name, name)
      assert.strictEqual(findSimScenario(name)!.name, name)
    }
    assert.isUndefined(findSimScenario("nix"))
  })

  it.each(simScenarios)("$name stays within its pages and does something, the same with the same seed", (scenario) => {
    const run = (seed: number) => {
      const sim = start(scenario, seed)
      sim.advance(20_000)
      const { operations, slowdown, stallUs, touches } = sim.outcome("demo")
      return { operations, slowdown, stallUs, touches, bytes: sim.group("demo").currentBytes() }
    }
    const first = run(1)
    assert.isAbove(first.operations, 10)
    assert.isAbove(first.bytes, 24 * mib)
    assert.isBelow(first.bytes, 512 * mib)
    assert.deepStrictEqual(run(1), first)
  })
})

describe("min-age-1", () => {
  it("all of it for 30 s, then the first tenth for 30 s", () => {
    const seconds = accessesOf(() => minAge1({ regionBytes: 4 * mib }), 95)
    const sizes = seconds.map(({ size }) => size)
    for (const second of [2, 15, 28, 62, 88]) assert.strictEqual(sizes[second], 1024, `second ${second}`)
    for (const second of [32, 45, 58]) assert.strictEqual(sizes[second], 102, `second ${second}`)
    assert.isTrue([...seconds[45]!].every((page) => page < 103))
  })
})

describe("min-age-2", () => {
  it("95 % of four regions in turn, each again after 90 s", () => {
    const seconds = accessesOf(() => minAge2({ regionBytes: mib }), 160)
    const turn = (at: number) => [...seconds[at]!].toSorted((a, b) => a - b)
    for (const [region, at] of [15, 45, 75, 105].entries()) {
      const pages = turn(at)
      assert.strictEqual(pages.length, 243)
      assert.deepStrictEqual([pages[0], pages.at(-1)], [region * 256, region * 256 + 242])
    }
    assert.deepStrictEqual(turn(135), turn(15))
    const idle = seconds.findIndex((pages, second) => second > 32 && pages.has(0))
    assert.approximately(idle - 30, 90, 1)
  })
})

describe("key-value stores", () => {
  const options = { itemBytes: 8 * mib, expiredBytes: 2 * mib, tableBytes: mib, processBytes: mib, requestsPerSecond: 500 }
  const firstItem = 512
  const itemPages = 2048
  /** How often each page of the items was accessed, by the second. */
  const counts = (make: SimScenario["make"]): ReadonlyArray<number> => {
    const seconds = accessesOf(make, 120).slice(2)
    const of = Array.from({ length: itemPages }, () => 0)
    for (const pages of seconds) for (const page of pages) if (page >= firstItem && page < firstItem + itemPages) of[page - firstItem]!++
    assert.isTrue(
      [...union(seconds)].every((page) => page < firstItem + itemPages),
      "expired items are never read"
    )
    return of
  }

  it("gauss: the middle is hot, the edges are not, both sides alike", () => {
    const of = counts(() => keyValueGauss(options))
    const share = (from: number, to: number) => of.slice(from * itemPages, to * itemPages).reduce((a, b) => a + b, 0)
    const middle = share(3 / 8, 5 / 8)
    const sixth = share(0, 1 / 6)
    assert.isAbove(middle, 8 * share(0, 1 / 8))
    assert.approximately(sixth / share(5 / 6, 1), 1, 0.35)
  })

  it("zipf: few pages get most, and they lie anywhere", () => {
    const of = counts(() => keyValueZipf(options))
    const order = of.map((count, page) => [count, page] as const).toSorted(([a], [b]) => b - a)
    const hottest = order.slice(0, itemPages / 20)
    assert.isAbove(hottest.reduce((sum, [count]) => sum + count, 0) / of.reduce((a, b) => a + b, 0), 0.2)
    const mean = hottest.reduce((sum, [, page]) => sum + page, 0) / hottest.length
    assert.approximately(mean, itemPages / 2, itemPages / 8)
    assert.isAbove(of.filter((count) => count === 0).length, itemPages / 40)
  })
})

describe("phases", () => {
  it("one part at a time, and it comes back", () => {
    const seconds = accessesOf(
      () => phases({ bytes: 4 * mib, parts: 4, phaseMs: 20_000, commonBytes: mib, coldBytes: mib, lookBackMs: 1e6 }),
      150
    )
    const partsOf = (second: number) =>
      new Set([...seconds[second]!].filter((page) => page >= 256 && page < 1280).map((page) => Math.floor((page - 256) / 256)))
    const visits = seconds.map((_, second) => [...partsOf(second)].at(-1))
    const order = visits.slice(2).filter((part, i, all) => part !== undefined && part !== all[i - 1])
    assert.deepStrictEqual(order.slice(0, 5), [0, 1, 2, 3, 0])
    assert.isTrue(
      [...union(seconds.slice(2))].every((page) => page < 1280),
      "the cold part is never used again"
    )
  })
})

describe("cache-filler", () => {
  it("climbs to the group's limit and stays there without being killed; removes its oldest log file", () => {
    const make = () =>
      cacheFiller({ hotBytes: mib, coldBytes: mib, logBytesPerSecond: mib, logFileBytes: 4 * mib, logFiles: 4, dataBytes: 16 * mib })
    const sim = start({ make, maxBytes: 12 * mib })
    sim.advance(60_000)
    const group = sim.group("demo")
    assert.isAbove(group.currentBytes(), 11.5 * mib)
    assert.isAbove(group.events.max, 0)
    assert.isFalse(sim.outcome("demo").oomKilled)
    // Without a limit: two MiB and no more than four log files, however long it runs, and the data that was read.
    const free = start({ make })
    free.advance(60_000)
    assert.isAtMost(free.group("demo").currentBytes(), (2 + 16 + 0.5) * mib)
  })
})

describe("processes", () => {
  it("tell of themselves under /proc for as long as they live", () => {
    const sim = withGroups({ seed: 1 })
    const pid = sim.addWorkload("demo", findSimScenario("build")!.make())
    const { fs } = sim.kernel
    sim.advance(30_000)
    const alive = [...sim.kernel.cgroups.group("demo").processes].filter((one) => one !== pid)
    assert.isAtLeast(alive.length, 1)
    const stat = Result.getOrThrow(processStat.decode(new TextEncoder().encode(fs.text(`/proc/${alive[0]}/stat`))))
    assert.deepStrictEqual([stat.pid, stat.ppid, stat.comm], [alive[0], pid, "cc"])
    assert.isAbove(stat.rssPages, 100)
    sim.advance(30_000)
    assert.throws(() => fs.text(`/proc/${alive[0]}/stat`), /ENOENT/)
    assert.include(fs.text(`/proc/${pid}/stat`), "(build)")
  })
})

describe("build", () => {
  it("starts compilers that come and go, two at a time; what stays is the page cache", () => {
    const sim = start(findSimScenario("build")!)
    let most = 0
    let least = Infinity
    for (let second = 0; second < 150; second++) {
      sim.advance(1000)
      const { residentAnon } = sim.group("demo").census()
      if (second > 60) least = Math.min(least, residentAnon)
      most = Math.max(most, residentAnon)
    }
    const { processes } = sim.outcome("demo")
    assert.isAtLeast(processes, 80)
    const session = (64 * mib) / 4096
    assert.isAbove(most, session + 4096)
    assert.isBelow(most, session + 3 * 1.5 * 4096)
    assert.isBelow(least, session + 2048)
    assert.isAbove(sim.group("demo").census().residentFile * 4096, 64 * mib)
  })
})
