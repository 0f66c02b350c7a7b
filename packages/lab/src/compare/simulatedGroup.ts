/** A simulated machine with one group, in its limits, and a workload in it: where every run of the comparison takes place. */
import { limitBytes, pageSize } from "@wmo/core"
import { type SimScenario, Simulation } from "@wmo/sim"

export const simulatedGroupName = "wmo/sim"

const grain = 32 * 2 ** 20

/** A machine is as large as its work needs and two fifths more: with so much free, policies that mind the machine's free memory act. */
const room = 1.4

/**
 * The workload starts at once. 2 GiB of swap behind zswap, whose pool may take half of the memory: a limit of its own would favour who saves
 * little. Page ages come from MGLRU. The group is a child of `wmo`.
 */
export const simulatedGroup = (scenario: SimScenario, seed: number, name: string = simulatedGroupName): Simulation => {
  const workload = scenario.make()
  const neededBytes = Math.min((workload.anonPages + workload.filePages) * pageSize, scenario.maxBytes ?? Infinity)
  const memTotalBytes = Math.ceil((neededBytes * room) / grain) * grain
  const simulation = Simulation.make({ seed, workingSet: false, memTotalBytes, zswap: { maxPoolPercent: 50 } })
  const { fs } = simulation.kernel
  const write = (path: string, text: string) => {
    const fd = fs.openSync(path, 1)
    fs.writeSync(fd, new TextEncoder().encode(text))
    fs.closeSync(fd)
  }
  write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
  fs.mkdirSync("/sys/fs/cgroup/wmo")
  write("/sys/fs/cgroup/wmo/cgroup.subtree_control", "+memory")
  const directory = `/sys/fs/cgroup/${name}`
  fs.mkdirSync(directory)
  if (scenario.highBytes !== undefined) write(`${directory}/memory.high`, String(limitBytes(scenario.highBytes)))
  if (scenario.maxBytes !== undefined) write(`${directory}/memory.max`, String(limitBytes(scenario.maxBytes)))
  simulation.addWorkload(name, workload)
  return simulation
}
