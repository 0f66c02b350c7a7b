/** What the tests share: a simulation with groups, a run under its clock, and workloads small enough to compute by hand. */
import { Cgroups, KernFs, type Machine, Memcg, type Mglru, type WorkingSet, type Zswap } from "@wmo/core"
import { Effect, Layer } from "effect"
import { type Compressibility, SimClock, Simulation, type SimulationOptions, type TaskProgram, type Workload } from "../src/index.ts"

export const mib = 2 ** 20

/** Every page to a quarter of its size. */
export const quarter: Compressibility = { zeroShare: 0, incompressibleShare: 0, medianRatio: 4, ratioSigma: 0 }

/** A simulation with the given groups, parents first; the memory controller is on everywhere above them. */
export const withGroups = (options: SimulationOptions, groups: ReadonlyArray<string> = ["demo"]): Simulation => {
  const sim = Simulation.make({ writesTakeTime: false, ...options })
  const { fs } = sim.kernel
  for (const group of groups) {
    const parent = group.slice(0, Math.max(0, group.lastIndexOf("/")))
    const fd = fs.openSync(["/sys/fs/cgroup", parent, "cgroup.subtree_control"].filter(Boolean).join("/"), 1)
    fs.writeSync(fd, new TextEncoder().encode("+memory"))
    fs.closeSync(fd)
    fs.mkdirSync(`/sys/fs/cgroup/${group}`)
  }
  return sim
}

type Services = KernFs | Cgroups | Machine | Mglru | WorkingSet | Zswap

/** Runs the effect on the simulation's files and in its time. */
export const runIn = <A, E>(sim: Simulation, effect: Effect.Effect<A, E, Services>): Effect.Effect<A, E> =>
  Effect.provide(effect, Layer.mergeAll(sim.layer, SimClock.layer(sim)))

/** A workload of the given pages and tasks. Loads all pages at 1 µs each. */
export const workload = (anonPages: number, tasks: ReadonlyArray<TaskProgram>, more: Partial<Workload> = {}): Workload => ({
  name: "test",
  anonPages,
  filePages: 0,
  compressibility: quarter,
  loadUs: 1,
  tasks,
  ...more
})

/** A task that touches the range at random without end. */
export const hot = (first: number, pages: number, thinkUs = 10): TaskProgram =>
  function* () {
    for (;;) yield { _tag: "Touch", first, pages, count: 10_000, order: "random", thinkUs, touchesPerOperation: 1 }
  }

/** A task that does nothing. */
export const idle: TaskProgram = function* () {
  for (;;) yield { _tag: "Sleep", us: 1e9 }
}

export const readGroup = (group: string) =>
  Effect.gen(function* () {
    const cgroups = yield* Cgroups
    return {
      current: yield* cgroups.read(group, Memcg.memoryCurrent),
      swap: yield* cgroups.read(group, Memcg.memorySwapCurrent),
      zswap: yield* cgroups.read(group, Memcg.memoryZswapCurrent),
      stat: yield* cgroups.read(group, Memcg.memoryStat),
      pressure: yield* cgroups.read(group, Memcg.memoryPressure),
      events: yield* cgroups.read(group, Memcg.memoryEvents)
    }
  })
