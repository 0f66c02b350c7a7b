/**
 * The machine of `wmod demo`: services, a user's session and pods on the simulated kernel, and a configuration that looks after them. Stands for no
 * real machine: workloads are those of `wmo sim workloads`, and further groups, if asked for, are small and mostly idle.
 */
import type { Bytes } from "@wmo/core"
import { findSimScenario, hotcold, Simulation, type Workload } from "@wmo/sim"

const mib = 2 ** 20

const uid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`
export const podGroup = (n: number, qos: "guaranteed" | "burstable" | "besteffort"): string => {
  const slice = qos === "guaranteed" ? "kubepods" : `kubepods-${qos}`
  const above = qos === "guaranteed" ? "kubepods.slice" : `kubepods.slice/${slice}.slice`
  return `${above}/${slice}-pod${uid(n).replaceAll("-", "_")}.slice`
}

export interface DemoGroup {
  /** Its path; those above it are made, too. */
  readonly group: string
  readonly workload: Workload
  readonly maxBytes?: Bytes | undefined
}

/** One of `wmo sim workloads`, in its limits. */
const running = (group: string, name: string): DemoGroup => {
  const { make, maxBytes } = findSimScenario(name)!
  return { group, workload: make(), maxBytes }
}

const wellKnown = (): ReadonlyArray<DemoGroup> => [
  running("system.slice/web.service", "server"),
  running("system.slice/postgresql.service", "scans"),
  running("system.slice/redis.service", "kv-gauss"),
  running("system.slice/backup.service", "cache-filler"),
  running("user.slice/user-1000.slice", "build"),
  running(podGroup(1, "burstable"), "hotcold"),
  running(podGroup(2, "besteffort"), "phases"),
  running(podGroup(3, "guaranteed"), "bursts")
]

const pods = [
  { uid: uid(1), name: "checkout-7d4f9", namespace: "shop" },
  { uid: uid(2), name: "render-batch-x2k", namespace: "batch" },
  { uid: uid(3), name: "ledger-0", namespace: "bank" }
]

/** The kubelet's list, as the configuration's `pods` takes it. */
export const podsJson = (): string => JSON.stringify({ items: pods.map((metadata) => ({ metadata })) })

export interface DemoConfig {
  readonly podsFile: string
  /** HOST:PORT. */
  readonly http: string
  readonly dryRun?: boolean
}

export const demoConfig = ({ dryRun = false, http, podsFile }: DemoConfig): string => `# The configuration of wmod demo.
every: 1s
self: { cpu: off, memory: off } # the simulation is in the same process
dry_run: ${dryRun}
defaults:
  policy: slo
  floor: 16M
rules:
  - match: system.slice/*.service
  - match: system.slice/backup.service
    policy: cache-cap
    settings: { cap: 128M }
  - match: system.slice/redis.service
    settings: { promotions: 0.1% }
  - match: user.slice/user-*.slice
    policy: periodic
    settings: { cold_age: 2m, interval: 30s }
  - kubernetes: { qos: [guaranteed, burstable, besteffort] }
  - kubernetes: { qos: besteffort }
    policy: tmo
server: { http: "${http}" }
pods: ${podsFile}
`

/** Every so often a little of it is used; the rest was for starting. */
export const smallService = (n: number): Workload =>
  hotcold({
    hotBytes: mib,
    warmBytes: (1 + (n % 3)) * mib,
    coldBytes: (2 + ((n * 7) % 23)) * mib,
    processBytes: 2 * mib,
    thinkUs: 400_000,
    scanUs: 50,
    scanEveryMs: 20_000 + (n % 11) * 3000
  })

/** As much swap as memory, and zswap before it. */
export const machineWith = (groups: ReadonlyArray<DemoGroup>, memTotalBytes: Bytes): Simulation => {
  const simulation = Simulation.make({ seed: 1, workingSet: false, memTotalBytes, swapBytes: memTotalBytes, zswap: { maxPoolPercent: 50 } })
  const { fs } = simulation.kernel
  const write = (file: string, text: string): void => {
    const fd = fs.openSync(`/sys/fs/cgroup/${file}`, 1)
    fs.writeSync(fd, new TextEncoder().encode(text))
    fs.closeSync(fd)
  }
  const made = new Set<string>()
  const make = (group: string): void => {
    const above = group.split("/").slice(0, -1)
    above.forEach((_, i) => {
      const name = above.slice(0, i + 1).join("/")
      if (made.has(name)) return
      made.add(name)
      fs.mkdirSync(`/sys/fs/cgroup/${name}`)
      write(`${name}/cgroup.subtree_control`, "+memory")
    })
    fs.mkdirSync(`/sys/fs/cgroup/${group}`)
  }
  write("cgroup.subtree_control", "+memory")
  for (const { group, maxBytes, workload } of groups) {
    make(group)
    if (maxBytes !== undefined) write(`${group}/memory.max`, String(maxBytes))
    simulation.addWorkload(group, workload)
  }
  return simulation
}

/** With so many further groups. Same number, same machine. */
export const demoMachine = (further: number): Simulation => {
  const small = Array.from({ length: further }, (_, i): DemoGroup => ({
    group: `system.slice/app-${String(i + 1).padStart(3, "0")}.service`,
    workload: smallService(i)
  }))
  return machineWith([...wellKnown(), ...small], (4096 + 32 * further) * mib)
}
