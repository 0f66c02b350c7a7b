/**
 * Page accesses per second on one core: the simulator's workloads beside the plain thing, a move-to-front LRU over typed arrays that knows
 * neither time nor tasks. Run: `node bench/accesses.ts [million accesses]`. Prints rates and the ratio simulator/LRU, best of five rounds each.
 */
import { makeKdamond } from "@wmo/core"
import { type AccessObserver, hotcold, Random, Simulation, type SimulationOptions, type Workload } from "../src/index.ts"

const accesses = Number(process.argv[2] ?? 50) * 1e6
const pages = 102_400

/** A doubly linked list in two arrays; every access moves its page to the front. */
const plainLru = (hotPages: number): number => {
  const next = new Int32Array(pages + 1)
  const prev = new Int32Array(pages + 1)
  for (let i = 0; i <= pages; i++) {
    next[i] = i === pages ? 0 : i + 1
    prev[i] = i === 0 ? pages : i - 1
  }
  const random = new Random(1)
  const started = performance.now()
  for (let i = 0; i < accesses; i++) {
    const node = 1 + random.nextBelow(hotPages)
    const before = prev[node]!
    const after = next[node]!
    next[before] = after
    prev[after] = before
    const head = next[0]!
    next[node] = head
    prev[node] = 0
    prev[head] = node
    next[0] = node
  }
  return accesses / ((performance.now() - started) / 1000)
}

/** Accesses per second of a workload in the simulator, everything on: tasks, time, histogram, PSI. */
const simulated = (
  workload: Workload,
  everySecond: (sim: Simulation) => void,
  { prepare, ...options }: Partial<SimulationOptions> & { readonly prepare?: (sim: Simulation, pid: number) => void } = {}
): number => {
  const sim = Simulation.make({ seed: 1, swapBytes: 2 ** 32, ...options })
  const { fs } = sim.kernel
  const write = (path: string, text: string) => {
    const fd = fs.openSync(path, 1)
    try {
      fs.writeSync(fd, new TextEncoder().encode(text))
    } finally {
      fs.closeSync(fd)
    }
  }
  write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
  fs.mkdirSync("/sys/fs/cgroup/demo")
  const pid = sim.addWorkload("demo", workload)
  prepare?.(sim, pid)
  sim.advance(10_000)
  const before = sim.outcome("demo").touches
  const started = performance.now()
  while (sim.outcome("demo").touches - before < accesses) {
    sim.advance(1000)
    everySecond(sim)
  }
  return (sim.outcome("demo").touches - before) / ((performance.now() - started) / 1000)
}

const oneTask = hotcold()
const twoTasks: Workload = { ...oneTask, tasks: [...oneTask.tasks, ...oneTask.tasks] }
const nothing = () => {}
const reclaimSome = (sim: Simulation) => void sim.kernel.cgroups.group("demo").model.reclaim({ bytes: 8 * 2 ** 20 })
const age = (sim: Simulation) => sim.kernel.cgroups.group("demo").model.age(0)
const observers = new WeakMap<Simulation, AccessObserver>()
const observe = (sim: Simulation) => void observers.set(sim, sim.observe("demo"))
const take = (sim: Simulation) => void observers.get(sim)!.take()
/** A kdamond with the kernel's default intervals: 5 ms, 100 ms. */
const monitor = (operations: "vaddr" | "paddr") => (sim: Simulation, pid: number) => {
  const all = { start: 2n ** 20n, end: 2n ** 32n }
  const [context] = makeKdamond(operations === "vaddr" ? { pids: [pid] } : { regions: [all] }).contexts
  sim.damon.start(0, 1, context!)
}
const wide = 400 * 2 ** 20

const cases: ReadonlyArray<readonly [string, () => number]> = [
  ["plain LRU, 40 MiB hot", () => plainLru(10_240)],
  ["plain LRU, 400 MiB hot", () => plainLru(pages)],
  ["sim hotcold (touches of marked pages are skipped over)", () => simulated(hotcold(), nothing)],
  ["sim hotcold, aged every second", () => simulated(hotcold(), age)],
  ["sim hotcold, 8 MiB reclaimed every second (faults)", () => simulated(hotcold(), reclaimSome)],
  ["sim hotcold, two hot tasks (1 ms windows)", () => simulated(twoTasks, nothing)],
  ["sim hotcold, two hot tasks on one CPU", () => simulated(twoTasks, nothing, { cpus: 1 })],
  ["sim hotcold, observed every second", () => simulated(hotcold(), take, { prepare: observe })],
  ["sim hotcold, DAMON on its process", () => simulated(hotcold(), nothing, { prepare: monitor("vaddr") })],
  ["sim hotcold, DAMON on physical memory", () => simulated(hotcold(), nothing, { prepare: monitor("paddr") })],
  [
    "sim 400 MiB at random, aged every second",
    () => simulated(hotcold({ hotBytes: wide, warmBytes: 0, coldBytes: 0, processBytes: 0, thinkUs: 80 }), age)
  ]
]
const best = cases.map(() => 0)
for (let round = 0; round < 5; round++) cases.forEach(([, run], i) => (best[i] = Math.max(best[i]!, run())))
cases.forEach(([name], i) => {
  const reference = i === 1 || i === cases.length - 1 ? best[1]! : best[0]!
  console.log(
    `${(best[i]! / 1e6).toFixed(1).padStart(7)} M accesses/s  ${(best[i]! / reference).toFixed(2).padStart(6)} x plain LRU  ${name}`
  )
})
