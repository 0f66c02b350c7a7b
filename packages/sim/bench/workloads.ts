/**
 * What a simulated hour of each workload costs, what watching it for the clairvoyant bound adds, and how large its page trace is.
 * Run: `node bench/workloads.ts [minutes] [workload…]`. CPU seconds are of this process, scaled to an hour; the ratio is watched to unwatched.
 */
import { encodeTrace, findSimScenario, GapCollector, netBytesOf, observeRun, recordTrace, simScenarios, Simulation } from "../src/index.ts"

const minutes = Number(process.argv[2] ?? 10)
const names = process.argv.length > 3 ? process.argv.slice(3) : simScenarios.map(({ name }) => name)
const tickMs = 1000
const ticks = minutes * 60
const fileBit = 8

const simulation = (name: string): Simulation => {
  const scenario = findSimScenario(name)
  if (scenario === undefined) throw new Error(`there is no workload "${name}"`)
  const sim = Simulation.make({ seed: 1 })
  const { fs } = sim.kernel
  const fd = fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1)
  fs.writeSync(fd, new TextEncoder().encode("+memory"))
  fs.closeSync(fd)
  fs.mkdirSync("/sys/fs/cgroup/bench")
  sim.addWorkload("bench", scenario.make())
  return sim
}

const cpuSecondsAnHour = (work: () => void): number => {
  const before = process.cpuUsage()
  work()
  const { system, user } = process.cpuUsage(before)
  return ((user + system) / 1e6) * (60 / minutes)
}

console.log(
  `${"workload".padEnd(18)} ${"CPU s/h".padStart(8)} ${"watched".padStart(8)} ${"ratio".padStart(6)} ${"trace MiB/h".padStart(12)}`
)
for (const name of names) {
  const plain = simulation(name)
  const alone = cpuSecondsAnHour(() => {
    for (let tick = 0; tick < ticks; tick++) plain.advance(tickMs)
  })
  const watched = simulation(name)
  const { pages } = watched.group("bench")
  const gaps = new GapCollector({
    tickMs,
    windows: [{ fromMs: 0, toMs: ticks * tickMs }],
    netBytes: (page) => netBytesOf((pages.flags[page]! & fileBit) !== 0, pages.compressed[page]!)
  })
  const observed = cpuSecondsAnHour(() => {
    observeRun(watched, "bench", ticks, tickMs, {
      access: (page) => gaps.access(page),
      gone: (page) => gaps.free(page),
      tick: () => gaps.nextTick()
    })
    gaps.end()
  })
  const bytes = encodeTrace(recordTrace(simulation(name), "bench", { ticks, tickMs, source: name })).length
  const traceMib = (bytes / 2 ** 20) * (60 / minutes)
  console.log(
    `${name.padEnd(18)} ${alone.toFixed(2).padStart(8)} ${observed.toFixed(2).padStart(8)} ${(observed / alone).toFixed(1).padStart(6)} ${traceMib.toFixed(2).padStart(12)}`
  )
}
