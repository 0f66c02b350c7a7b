/**
 * The VM's experiment in the simulator: the same workload, the same two loops, 60 virtual seconds. Prints what the VM printed, beside it.
 * VM figures: spec/vm-lab.md, one run each under emulation. The errors are a direction for the model, not a result.
 * Memory matches since content compresses as the lab's does (1.7:1). Refaults and pressure of age + evict do not (VM: 4,900 and none): by the rule
 * "8 s old" the model evicts the warm pages before each scan of every 10 s. Repeated in the VM, one eviction of 64,000 pages held the loop for
 * 37 s, in which nothing was aged or evicted again, and there were 16 refaults by 62 s: the VM's figure is one of a loop that falls behind.
 */
import { Cgroups, KernFs, Memcg, Mglru } from "@wmo/core"
import { Effect, Layer } from "effect"
import { constantCost, hotcold, SimClock, Simulation } from "../src/index.ts"

const mib = 2 ** 20

/** From the same notes: 64 MiB paged out in 0.37 s, 21.2 µs a page touched again. The swap device is zram, which compresses as zswap does. */
const costs = {
  zswapStore: constantCost(23),
  zswapLoad: constantCost(21.2),
  minorFault: constantCost(0),
  reclaimPage: constantCost(0),
  diskWrite: constantCost(0),
  diskRead: constantCost(21.2)
}

type Strategy = "nothing" | "reclaim" | "age"

const run = (strategy: Strategy, seconds: number) => {
  const sim = Simulation.make({ seed: 1, memTotalBytes: 2 ** 31, swapBytes: 2 ** 30, costs })
  const program = Effect.gen(function* () {
    const fs = yield* KernFs
    const cgroups = yield* Cgroups
    const lru = yield* Mglru
    yield* fs.write(cgroups.path("", "cgroup.subtree_control"), "+memory")
    yield* fs.mkdir(cgroups.path("wmo"))
    // Its process took 20 MiB beside the data. The notes' "about 2.5:1" does not fit their table: 200 MiB reclaimed saved 75 (1.6:1).
    sim.addWorkload("wmo", hotcold({ processBytes: 20 * mib, scanEveryMs: 10_000 }))
    let at50 = 0
    for (let second = 1; second <= seconds; second++) {
      yield* Effect.sleep("1 second")
      if (strategy === "reclaim" && second % 5 === 0) yield* cgroups.reclaim("wmo", { bytes: 20 * mib })
      if (strategy === "age" && second % 4 === 0) {
        yield* lru.age("wmo")
        const { generations } = (yield* lru.group("wmo"))!.nodes[0]!
        if (generations[0]!.ageMs > 8000) yield* lru.evict("wmo", { seq: generations[0]!.seq, swappiness: 200 })
      }
      if (second === 50) at50 = yield* cgroups.read("wmo", Memcg.memoryCurrent)
    }
    const pressure = yield* cgroups.read("wmo", Memcg.memoryPressure)
    const stat = yield* cgroups.read("wmo", Memcg.memoryStat)
    return { at50, stallUs: pressure.some!.totalUs, refaults: stat.workingset_refault_anon }
  })
  const started = performance.now()
  return Effect.map(Effect.provide(program, Layer.mergeAll(sim.layer, SimClock.layer(sim))), (files) => ({
    ...files,
    outcome: sim.outcome("wmo"),
    realMs: performance.now() - started
  }))
}

const vm: Readonly<Record<Strategy, string>> = {
  nothing: "420 MiB, PSI 0 ms",
  reclaim: "345 MiB, PSI 52 ms, throughput 0.971",
  age: "279 MiB, PSI 0 ms, throughput 0.928 (shell loop on the workload's CPUs)"
}
for (const strategy of ["nothing", "reclaim", "age"] as const) {
  const { at50, outcome, realMs, refaults, stallUs } = await Effect.runPromise(run(strategy, 60))
  console.log(
    `${strategy.padEnd(8)} ${(at50 / mib).toFixed(0)} MiB at 50 s, PSI some ${(Number(stallUs) / 1000).toFixed(1)} ms, ${refaults} refaults, ` +
      `slowdown ${(outcome.slowdown * 100).toFixed(3)} %, p99.9 ${outcome.latency.p999Us.toFixed(1)} µs, ` +
      `reclaim CPU ${(outcome.reclaimCpuUs / 1000).toFixed(0)} ms, ${realMs.toFixed(0)} ms real   [VM: ${vm[strategy]}]`
  )
}
const long = await Effect.runPromise(run("age", 600))
console.log(
  `600 virtual seconds of hotcold under age + evict: ${long.realMs.toFixed(0)} ms real, ${(long.outcome.touches / 1e6).toFixed(0)} M touches`
)
