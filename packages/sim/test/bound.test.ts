/** The clairvoyant bound against every possible schedule, on access strings small enough to go through all of them. */
import { assert, describe, it } from "@effect/vitest"
import { boundOf, GapCollector, netBytesOf, observeRun, Random, SavingHistogram, type TaskProgram } from "../src/index.ts"
import { idle, withGroups, workload } from "./harness.ts"

/** What happens to a page in a tick. */
type Event = "access" | "free" | "none"

interface Case {
  /** By page, by tick. */
  readonly events: ReadonlyArray<ReadonlyArray<Event>>
  readonly netBytes: ReadonlyArray<number>
  readonly from: number
  readonly to: number
}

const randomCase = (random: Random): Case => {
  const ticks = 6 + random.nextBelow(8)
  const pages = 1 + random.nextBelow(4)
  const from = random.nextBelow(4)
  const event = (): Event => (random.nextBelow(4) === 0 ? "access" : random.nextBelow(12) === 0 ? "free" : "none")
  return {
    events: Array.from({ length: pages }, () => Array.from({ length: ticks }, event)),
    netBytes: Array.from({ length: pages }, () => 16 * (1 + random.nextBelow(255))),
    from,
    to: from + 1 + random.nextBelow(ticks - from)
  }
}

/**
 * The best that any schedule of one page can do with 0, 1, … promotions: goes through the ticks with the states in, out and gone. In a tick
 * that accesses it, the page is in at the start of the tick already: being out counts for the whole ticks between.
 */
const bestOfPage = (events: ReadonlyArray<Event>, netBytes: number, from: number, to: number): ReadonlyArray<number> => {
  let states = new Map<string, number>([["gone 0", 0]])
  const reach = (next: Map<string, number>, state: string, promotions: number, saved: number): void => {
    const key = `${state} ${promotions}`
    next.set(key, Math.max(next.get(key) ?? -1, saved))
  }
  for (let tick = 0; tick < events.length; tick++) {
    const next = new Map<string, number>()
    const worth = tick >= from && tick < to ? netBytes : 0
    for (const [key, saved] of states) {
      const [state, count] = key.split(" ")
      const promotions = Number(count)
      const event = events[tick]!
      if (event === "access") {
        // A page that was out comes in; a promotion counts where it happens. Then it may go out again at once, for the rest of the tick.
        const paid = state === "out" && tick >= from && tick < to ? promotions + 1 : promotions
        reach(next, "in", paid, saved)
        reach(next, "out", paid, saved + worth)
      } else if (event === "free" || state === "gone") {
        reach(next, "gone", promotions, saved)
      } else {
        reach(next, "out", promotions, saved + worth)
        // Going in without an access costs a promotion, too.
        if (state === "in") reach(next, "in", promotions, saved)
        else reach(next, "in", promotions + 1, saved)
      }
    }
    states = next
  }
  const best: Array<number> = []
  for (const [key, saved] of states) {
    const promotions = Number(key.split(" ")[1])
    while (best.length <= promotions) best.push(0)
    best[promotions] = Math.max(best[promotions]!, saved)
  }
  return best
}

const bruteForce = ({ events, from, netBytes, to }: Case, budget: number): number => {
  let best = [0]
  events.forEach((page, i) => {
    const own = bestOfPage(page, netBytes[i]!, from, to)
    const next: Array<number> = []
    best.forEach((saved, used) =>
      own.forEach((more, promotions) => {
        if (used + promotions > budget) return
        next[used + promotions] = Math.max(next[used + promotions] ?? 0, saved + more)
      })
    )
    best = Array.from(next, (value) => value ?? 0)
  })
  return Math.max(...best)
}

const collect = ({ events, from, netBytes, to }: Case) => {
  const collector = new GapCollector({
    tickMs: 1000,
    windows: [{ fromMs: from * 1000, toMs: to * 1000 }],
    netBytes: (page) => netBytes[page]!
  })
  for (let tick = 0; tick < events[0]!.length; tick++) {
    events.forEach((page, i) => {
      if (page[tick] === "access") collector.access(i)
      else if (page[tick] === "free") collector.free(i)
    })
    collector.nextTick()
  }
  return collector.end()[0]!
}

describe("clairvoyant bound", () => {
  it("is what the best of all schedules saves", () => {
    const random = new Random(7)
    for (let n = 0; n < 400; n++) {
      const example = randomCase(random)
      const { net } = collect(example)
      for (const budget of [0, 1, 2, 3, 5, 100]) {
        const best = bruteForce(example, budget)
        const bound = boundOf(net, budget)
        assert.approximately(bound, best, 0.002 * best + 1e-6, `${JSON.stringify(example)} with ${budget} promotions`)
      }
    }
  })

  it("does not fall with the budget, and gross is never below net", () => {
    const random = new Random(8)
    for (let n = 0; n < 100; n++) {
      const { gross, net } = collect(randomCase(random))
      let last = -1
      for (let budget = 0; budget < 12; budget++) {
        const bound = boundOf(net, budget)
        assert.isAtLeast(bound, last)
        assert.isAtLeast(boundOf(gross, budget) * (1 + 1e-9), bound)
        last = bound
      }
    }
  })

  it("takes a part of a bin's gaps when the budget ends in it", () => {
    const histogram = new SavingHistogram(1)
    for (let i = 0; i < 10; i++) histogram.add(60, 2048, false)
    histogram.add(600, 2048, false)
    histogram.add(5, 4096, true)
    assert.strictEqual(boundOf(histogram.net(), 0), 5 * 4096)
    assert.approximately(boundOf(histogram.net(), 4), 5 * 4096 + 600 * 2048 + 3 * 60 * 2048, 1)
  })

  it("counts what a page frees: all of it where there is no copy in memory", () => {
    assert.strictEqual(netBytesOf(true, 1000), 4096)
    assert.strictEqual(netBytesOf(false, 1000), 3096)
    assert.strictEqual(netBytesOf(false, 0), 4096)
    assert.strictEqual(netBytesOf(false, 4096), 4096)
  })

  it("knows what a fixed age would do: the rest of each gap, from that age on", () => {
    const collector = new GapCollector({ tickMs: 1000, windows: [{ fromMs: 50_000, toMs: 200_000 }], netBytes: () => 1000 })
    for (let tick = 0; tick < 200; tick++) {
      // Page 0: used at 0, 40 and 140; page 1: at 10, freed at 100; page 2: all the time.
      if (tick === 0 || tick === 40 || tick === 140) collector.access(0)
      if (tick === 10) collector.access(1)
      if (tick === 100) collector.free(1)
      collector.access(2)
      collector.nextTick()
    }
    const at = (seconds: number) => collected.fixedAges.find(({ ageMs }) => ageMs === seconds * 1000)!
    const [collected] = collector.end() as [ReturnType<typeof collect>]
    // Out from 70 (at 30 s) or 100 (at 60 s) to 140 and from 170 or 200 to the end; page 1 from 50, where the window begins, or 70, to 100.
    assert.deepStrictEqual([at(30).net, at(30).promotions], [(70 + 30 + 50) * 1000, 1])
    assert.deepStrictEqual([at(60).net, at(60).promotions], [(40 + 0 + 30) * 1000, 1])
    assert.deepStrictEqual([at(100).net, at(100).promotions], [0, 0])
  })

  it("knows the working set of the last 120 s", () => {
    const collector = new GapCollector({ tickMs: 1000, windows: [{ fromMs: 0, toMs: 300_000 }], netBytes: () => 4096 })
    const last = new Map<number, number>()
    const random = new Random(3)
    for (let tick = 0; tick < 300; tick++) {
      for (let i = 0; i < 3; i++) {
        const page = Math.floor(200 * random.nextFraction() ** 2)
        if (random.nextBelow(10) === 0) {
          collector.free(page)
          last.delete(page)
        } else {
          collector.access(page)
          last.set(page, tick)
        }
      }
      const naive = [...last.values()].filter((at) => at > tick - 120).length
      assert.strictEqual(collector.workingSetPages, naive, `tick ${tick}`)
      collector.nextTick()
    }
  })
})

describe("observeRun", () => {
  const pages = 100
  /** Touches the first ten pages every second; frees page 5 at 3.5 s. */
  const program: TaskProgram = function* () {
    for (let second = 0; ; second++) {
      yield { _tag: "Touch", first: 0, pages: 10, count: 10, order: "sequential", thinkUs: 1 }
      if (second === 3) yield { _tag: "Free", first: 5, pages: 1 }
      yield { _tag: "Sleep", us: 999_990 }
    }
  }

  it("tells accesses and frees tick by tick, and does not change the run", () => {
    const run = (isObserved: boolean) => {
      const sim = withGroups({ seed: 1 })
      sim.addWorkload("demo", workload(pages, [program]))
      const seen: Array<string> = []
      if (isObserved) {
        let accessed: Array<number> = []
        let gone: Array<number> = []
        observeRun(sim, "demo", 6, 1000, {
          access: (page) => void accessed.push(page),
          gone: (page) => void gone.push(page),
          tick: () => {
            seen.push(`${accessed.length} accessed, gone ${gone.join(" ")}`)
            accessed = []
            gone = []
          }
        })
      } else sim.advance(6000)
      return { seen, outcome: sim.outcome("demo"), generations: sim.kernel.cgroups.group("demo").model.generations() }
    }
    const observed = run(true)
    assert.deepStrictEqual(observed.seen, [
      "100 accessed, gone ",
      "10 accessed, gone ",
      "10 accessed, gone ",
      "10 accessed, gone 5",
      "10 accessed, gone ",
      "10 accessed, gone "
    ])
    const alone = run(false)
    assert.deepStrictEqual(observed.outcome, alone.outcome)
    assert.deepStrictEqual(observed.generations, alone.generations)
  })

  it("takes what a limit pushes out for gone", () => {
    const sim = withGroups({ seed: 1 })
    sim.addWorkload("demo", workload(pages, [idle]))
    let gone = 0
    observeRun(sim, "demo", 2, 1000, {
      access: () => {},
      gone: () => void gone++,
      tick: (tick) => {
        if (tick === 0) sim.kernel.cgroups.group("demo").model.reclaim({ bytes: 32 * 4096 })
      }
    })
    assert.isAtLeast(gone, 32)
  })
})
