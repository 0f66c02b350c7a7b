/** A simulated machine with one group, in its limits, and a workload in it: where every run of the comparison takes place. */
import { limitBytes } from "@wmo/core"
import { type SimScenario, Simulation } from "@wmo/sim"

export const simulatedGroupName = "wmo/sim"

/** The workload starts at once. 4 GiB of memory, 2 GiB of swap behind zswap; page ages come from MGLRU. */
export const simulatedGroup = (scenario: SimScenario, seed: number): Simulation => {
  const simulation = Simulation.make({ seed, workingSet: false })
  const { fs } = simulation.kernel
  const write = (path: string, text: string) => {
    const fd = fs.openSync(path, 1)
    fs.writeSync(fd, new TextEncoder().encode(text))
    fs.closeSync(fd)
  }
  write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
  fs.mkdirSync("/sys/fs/cgroup/wmo")
  write("/sys/fs/cgroup/wmo/cgroup.subtree_control", "+memory")
  const directory = `/sys/fs/cgroup/${simulatedGroupName}`
  fs.mkdirSync(directory)
  if (scenario.highBytes !== undefined) write(`${directory}/memory.high`, String(limitBytes(scenario.highBytes)))
  if (scenario.maxBytes !== undefined) write(`${directory}/memory.max`, String(limitBytes(scenario.maxBytes)))
  simulation.addWorkload(simulatedGroupName, scenario.make())
  return simulation
}
