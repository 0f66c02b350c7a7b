/**
 * Groups for the bench: real ones, each with a little memory of its own, where we are root on cgroup v2; else a directory tree with the files that wmod
 * reads, whose numbers stand still but for the busy groups'. The tree's reads are those of tmpfs: the kernel's own work for a group's files is not in them.
 */
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"

export interface GroupTree {
  readonly isReal: boolean
  /** For `KernelRoots`; undefined: those of the machine. */
  readonly roots: { readonly cgroup: string; readonly proc: string; readonly sys: string; readonly debug: string } | undefined
  /** Absolute paths of the groups. */
  readonly groups: ReadonlyArray<string>
  readonly remove: () => void
}

export interface TreeOptions {
  readonly groups: number
  /** So many of them use memory and give it back all the time. */
  readonly busy: number
  readonly scratch: string
}

const mib = 2 ** 20
const parent = "wmo-bench"
const nameOf = (i: number): string => `${parent}/g${String(i).padStart(4, "0")}`

/** One process visits each group and leaves a file's worth of memory charged to it; then it stays with the busy ones. */
const visitor = `
import os, sys, time
root, shm, busy = sys.argv[1], sys.argv[2], int(sys.argv[3])
def charge(i, group, size):
    with open(root + "/" + group + "/cgroup.procs", "w") as file: file.write("0")
    with open(shm + "/" + str(i), "wb") as file: file.write(b"x" * size)
groups = sys.stdin.read().split()
for i, group in enumerate(groups): charge(i, group, 262144)
with open(root + "/cgroup.procs", "w") as file: file.write("0")
print("ready", flush=True)
n = 0
while True:
    time.sleep(1)
    n += 1
    for i in range(busy): charge(i, groups[i], 262144 + (n % 2) * 1048576)
`

export const realTree = async ({ busy, groups: count, scratch }: TreeOptions): Promise<GroupTree> => {
  const root = "/sys/fs/cgroup"
  mkdirSync(join(root, parent), { recursive: true })
  writeFileSync(join(root, parent, "cgroup.subtree_control"), "+memory")
  const names = Array.from({ length: count }, (_, i) => nameOf(i))
  for (const name of names) mkdirSync(join(root, name), { recursive: true })
  const shm = join("/dev/shm", `wmo-bench-${process.pid}`)
  mkdirSync(shm)
  const child = spawn("python3", ["-c", visitor, root, shm, String(busy)], { stdio: ["pipe", "pipe", "inherit"] })
  child.stdin.end(names.join("\n"))
  await new Promise((resolve, reject) => child.stdout.once("data", resolve).once("error", reject))
  return {
    isReal: true,
    roots: undefined,
    groups: names.map((name) => join(root, name)),
    remove: () => {
      child.kill("SIGKILL")
      execFileSync("sleep", ["0.5"])
      rmSync(shm, { recursive: true, force: true })
      for (const name of [...names, parent]) rmdirSync(join(root, name))
      rmSync(scratch, { recursive: true, force: true })
    }
  }
}

/** As captured from a kernel: the values of its group, for all. */
const fixture = join(import.meta.dirname, "../../../fixtures/debian-6.12/root/sys/fs/cgroup/wmo/fixture")
const filesOfGroup = [
  "memory.current",
  "memory.stat",
  "memory.swap.current",
  "memory.zswap.current",
  "memory.swap.max",
  "memory.min",
  "memory.low",
  "memory.high",
  "memory.max",
  "memory.events",
  "memory.pressure",
  "io.pressure",
  "cgroup.procs"
]
const pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"

const generations = (path: string, id: number): string =>
  `memcg ${String(id).padStart(5)} ${path}\n node     0\n` +
  [400, 300, 200, 100]
    .map((seconds, i) => ` ${String(i).padStart(10)} ${String(seconds * 1000).padStart(10)} ${"16".padStart(10)}  ${"32".padStart(10)} \n`)
    .join("")

export const fakeTree = ({ busy, groups: count, scratch }: TreeOptions): GroupTree => {
  const [cgroup, proc, sys, debug] = ["cgroup", "proc", "sys", "debug"].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
    string
  ]
  const names = Array.from({ length: count }, (_, i) => nameOf(i))
  const fill = (group: string): void => {
    mkdirSync(join(cgroup, group), { recursive: true })
    for (const file of filesOfGroup) {
      const from = join(fixture, file)
      writeFileSync(join(cgroup, group, file), file === "memory.pressure" || !existsSync(from) ? pressure : readFileSync(from))
    }
    writeFileSync(join(cgroup, group, "memory.high"), "max\n")
    writeFileSync(join(cgroup, group, "memory.current"), `${mib}\n`)
    writeFileSync(join(cgroup, group, "memory.reclaim"), "")
  }
  for (const name of names) fill(name)
  writeFileSync(join(cgroup, "cgroup.controllers"), "memory\n")
  for (const [directory, file, text] of [
    [join(sys, "kernel/mm/lru_gen"), "enabled", "0x0007\n"],
    [join(sys, "kernel/mm/lru_gen"), "min_ttl_ms", "0\n"],
    [debug, "lru_gen", generations("/", 1) + [parent, ...names].map((name, i) => generations(`/${name}`, i + 2)).join("")],
    [join(proc, "self"), "mountinfo", `30 1 0:26 / ${cgroup} rw - cgroup2 cgroup2 rw\n`],
    [join(proc, "self"), "cgroup", "0::/\n"]
  ] as const) {
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, file), text)
  }
  for (const name of readdirSync("/proc"))
    if (["meminfo", "vmstat", "pressure", "sys", "swaps", "zoneinfo"].includes(name)) symlinkSync(join("/proc", name), join(proc, name))
  let n = 0
  const stir = setInterval(() => {
    n++
    for (let i = 0; i < busy; i++) writeFileSync(join(cgroup, names[i]!, "memory.current"), `${(1 + (n % 2)) * mib}\n`)
  }, 1000)
  return {
    isReal: false,
    roots: { cgroup, proc, sys, debug },
    groups: names.map((name) => join(cgroup, name)),
    remove: () => {
      clearInterval(stir)
      rmSync(scratch, { recursive: true, force: true })
    }
  }
}
