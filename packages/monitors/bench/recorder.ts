/**
 * What recording costs: 1,000 groups at 1 Hz for 60 s, samplers, loop and recording together, beside a plain Python loop that reads the same files on
 * held descriptors, parses their numbers and writes a line of JSON a second. A quarter of the groups change between samples. On the running kernel
 * where it has cgroup v2 with the memory controller and we are root (the VM). `node bench/recorder.ts [groups] [seconds]`
 */
import { Cgroups, findCgroupMount, KernelRoots, KernFs, Machine, Pressure, Zram, Zswap } from "@wmo/core"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cgroupTreeSampler, compressedMemorySampler, machineMemorySampler, makeSampleLoop, pressureSampler } from "../src/index.ts"
// The recording is a floor above: benches may look up.
import { Recorder } from "../../recording/src/index.ts"

const [count = 1000, seconds = 60] = process.argv.slice(2).map(Number)
const mount = await Effect.runPromise(Effect.provide(findCgroupMount, KernFs.layer))
if (mount === undefined || !mount.memory || process.getuid?.() !== 0) {
  console.error(
    "this needs cgroup v2 with the memory controller, and root: run it in the VM, `wmo vm run -- node packages/monitors/bench/recorder.ts`"
  )
  process.exit(3)
}
const root = mount.path
const names = Array.from({ length: count }, (_, i) => `wmo-bench-${i}`)
const scratch = mkdtempSync(join(tmpdir(), "wmo-bench-"))

const python = `
import json, os, resource, sys, time
root, seconds, out, names = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4].split(",")
files = ["memory.current", "memory.swap.current", "memory.min", "memory.low", "memory.high", "memory.max", "memory.swap.max", "memory.pressure", "memory.stat", "memory.events"]
resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 17, 1 << 17))
held = [(g, f, os.open(f"{root}/{g}/{f}", os.O_RDONLY)) for g in names for f in files]
sink = open(out, "w")
def parse(f, text):
    if f == "memory.pressure":
        return [dict(p.split("=") for p in line.split()[1:]) for line in text.splitlines()]
    if f in ("memory.stat", "memory.events"):
        return {k: int(v) for k, v in (line.split() for line in text.splitlines())}
    return None if text == "max\\n" else int(text)
start, before = time.time(), time.process_time()
for n in range(seconds):
    sample = {}
    for g, f, fd in held:
        sample.setdefault(g, {})[f] = parse(f, os.pread(fd, 65536, 0).decode())
    sink.write(json.dumps({"at": time.time(), "groups": sample}) + "\\n")
    sink.flush()
    time.sleep(max(0, start + n + 1 - time.time()))
print(json.dumps({"cpu": time.process_time() - before, "wall": time.time() - start, "rss": int(open("/proc/self/statm").read().split()[1]) * 4096, "bytes": os.path.getsize(out), "turns": seconds}))
`

interface Cost {
  readonly cpu: number
  readonly wall: number
  readonly rss: number
  readonly bytes: number
  readonly turns: number
}

const runPython = (): Promise<Cost> =>
  new Promise((resolve, reject) => {
    const child = spawn("python3", ["-c", python, root, String(seconds), join(scratch, "python.jsonl"), names.join(",")], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let text = ""
    child.stdout.on("data", (data) => (text += String(data)))
    child.once("close", (code) => (code === 0 ? resolve(JSON.parse(text) as Cost) : reject(new Error(`python3 ended with ${code}`))))
  })

/** A process in every fourth group, which uses a new page a second: its group's numbers change. */
const users = `
import mmap, os, sys, time
root, names = sys.argv[1], sys.argv[2].split(",")
for k, name in enumerate(names):
    if os.fork() == 0:
        open(f"{root}/{name}/cgroup.procs", "w").write("0")
        memory, at = mmap.mmap(-1, 4096 * 1024), 0
        time.sleep(k / len(names))
        while os.getppid() > 1:
            memory[at * 4096] = 1
            at = (at + 1) % 1024
            time.sleep(1)
        os._exit(0)
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
`

const startUsers = () =>
  new Promise<ReturnType<typeof spawn>>((ready) => {
    const child = spawn("python3", ["-c", users, root, names.filter((_, i) => i % 4 === 0).join(",")], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    child.stdout.once("data", () => ready(child))
  })

const file = join(scratch, "wmo.wmo")
const recordOnce = Effect.gen(function* () {
  const recorder = yield* Recorder
  const run = yield* recorder.start({
    label: "bench",
    group: "",
    policy: "none",
    settings: {},
    kernel: "bench",
    clock: "real",
    everyMs: 1000,
    dryRun: true,
    startedMs: Date.now()
  })
  const loop = yield* makeSampleLoop({
    samplers: [cgroupTreeSampler({ include: ["wmo-bench-*"] }), machineMemorySampler(), pressureSampler(), compressedMemorySampler()],
    everyMs: 1000
  })
  let turns = 0
  let values = 0
  const writing = { system: 0, user: 0 }
  const before = process.cpuUsage()
  const startMs = Date.now()
  yield* Effect.raceFirst(
    loop.run((snapshot) =>
      Effect.suspend(() => {
        turns++
        values = snapshot.samples.reduce((sum, one) => sum + one.values.length, 0)
        const before = process.cpuUsage()
        return Effect.tap(run.snapshot(snapshot), () =>
          Effect.sync(() => {
            const { system, user } = process.cpuUsage(before)
            writing.system += system
            writing.user += user
          })
        )
      })
    ),
    Effect.sleep(seconds * 1000)
  )
  const { system, user } = process.cpuUsage(before)
  const rss = process.memoryUsage.rss()
  yield* run.end({ endedMs: Date.now(), missedTicks: loop.missedTicks() })
  return {
    cpu: (user + system) / 1e6,
    wall: (Date.now() - startMs) / 1000,
    rss,
    bytes: 0,
    turns,
    values,
    missed: loop.missedTicks(),
    writing: (writing.system + writing.user) / 1e6
  }
})

const services = Layer.mergeAll(Machine.layer, Pressure.layer, Zram.layer, Zswap.layer).pipe(
  Layer.provideMerge(Cgroups.layer),
  Layer.provideMerge(KernFs.layer),
  Layer.provideMerge(
    Layer.succeed(KernelRoots, { cgroup: root, proc: "/proc", sys: "/sys", debug: "/sys/kernel/debug", tracing: "/sys/kernel/tracing" })
  )
)

const print = (name: string, { bytes, cpu, rss, turns, wall }: Cost) =>
  console.log(
    `${name.padEnd(22)} ${((cpu / wall) * 100).toFixed(1).padStart(6)} % of a core  ${((cpu / turns) * 1000).toFixed(1).padStart(7)} ms a turn  ${(rss / 2 ** 20).toFixed(0).padStart(5)} MiB RSS  ${(bytes / turns / count).toFixed(1).padStart(7)} bytes a sample  ${turns} turns`
  )

writeFileSync(join(root, "cgroup.subtree_control"), "+memory")
for (const name of names) mkdirSync(join(root, name))
const child = await startUsers()
try {
  const ours = await Effect.runPromise(Effect.scoped(recordOnce).pipe(Effect.provide(Recorder.layerFile(file)), Effect.provide(services)))
  const theirs = await runPython()
  console.log(
    `${count} groups at 1 Hz for ${seconds} s, ${ours.values} values a turn; ${readFileSync("/proc/sys/kernel/osrelease", "utf8").trim()}`
  )
  print("wmo: sample + record", { ...ours, bytes: statSync(file).size })
  console.log(`  of which writing the recording ${((ours.writing / ours.turns) * 1000).toFixed(1)} ms a turn`)
  print("Python: read + JSON", theirs)
  console.log(
    `wmo takes ${(ours.cpu / ours.turns / (theirs.cpu / theirs.turns)).toFixed(2)} × Python's CPU a turn; ${ours.missed} turns missed`
  )
} finally {
  child.kill()
  for (const name of names) writeFileSync(join(root, name, "cgroup.kill"), "1")
  await new Promise((resolve) => setTimeout(resolve, 2000))
  for (const name of names) {
    try {
      rmdirSync(join(root, name))
    } catch {
      // A process that is still ending keeps its group; the VM ends with it.
    }
  }
  rmSync(scratch, { recursive: true })
}
