/**
 * What wmod costs with so many groups: CPU, memory and lateness of its ticks, from outside, beside a Python loop in the manner of senpai.py on the same
 * groups afterwards. On the running kernel where it has cgroup v2 with the memory controller and we are root (the VM); else on a directory tree.
 * Run: `node --liftoff-only bench/groups.ts [--groups 1000] [--busy 0] [--policy slo] [--seconds 60] [--warm-up 30] [--record] [--every 1s] [--bundle dist]`.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { fakeTree, realTree } from "./groupTree.ts"
import { cpuPercent, processCost, type ProcessCost } from "./processCost.ts"

const { values: given } = parseArgs({
  options: {
    groups: { type: "string", default: "1000" },
    busy: { type: "string", default: "0" },
    policy: { type: "string", default: "slo" },
    seconds: { type: "string", default: "60" },
    "warm-up": { type: "string", default: "30" },
    every: { type: "string", default: "1s" },
    record: { type: "boolean", default: false },
    config: { type: "string", default: "" },
    "node-flags": { type: "string", default: "" },
    bundle: { type: "string", default: join(import.meta.dirname, "../dist") },
    python: { type: "boolean", default: true },
    "no-python": { type: "boolean", default: false },
    fake: { type: "boolean", default: false }
  }
})
const options = { groups: Number(given.groups), busy: Number(given.busy), seconds: Number(given.seconds), warmUp: Number(given["warm-up"]) }
const bundle = resolve(given.bundle)
if (!existsSync(join(bundle, "wmod.js"))) throw new Error(`${bundle} has no wmod.js: build it first (turbo run build --filter=@wmo/wmod)`)

const root = "/sys/fs/cgroup/cgroup.controllers"
const isReal = !given.fake && process.getuid?.() === 0 && existsSync(root) && readFileSync(root, "utf8").includes("memory")
const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "wmod-bench-"))
const tree = await (isReal ? realTree : fakeTree)({ ...options, scratch })

mkdirSync(join(scratch, "recordings"), { recursive: true })
const config = join(scratch, "wmod.yaml")
writeFileSync(
  config,
  [
    `every: ${given.every}`,
    "emergency_stop: off",
    `rules: [{ match: "wmo-bench/*", policy: ${given.policy} }]`,
    `state_directory: ${join(scratch, "state")}`,
    "server: { http: 127.0.0.1:9279 }",
    ...(given.record ? [`recording: { directory: ${join(scratch, "recordings")} }`] : []),
    ...given.config.split(";").filter(Boolean)
  ].join("\n")
)

/** Samples of `/metrics` by name and labels. */
const metrics = async (): Promise<ReadonlyMap<string, number>> => {
  const ask = async (): Promise<string> => (await fetch("http://127.0.0.1:9279/metrics")).text()
  // Who is asked while it starts a thousand groups may be slow to answer.
  const again = async (): Promise<string> => {
    await sleep(1000)
    return ask().catch(again)
  }
  const text = await ask().catch(again)
  return new Map(
    text
      .split("\n")
      .flatMap((line) =>
        line === "" || line.startsWith("#") ? [] : [[line.replace(/ \S+$/, ""), Number(line.split(" ").at(-1))] as const]
      )
  )
}

const latenessName = "wmo_tick_lateness_seconds"
/** The smallest bound that holds this share of the ticks between two readings; undefined where wmod does not say. */
const latenessMs = (from: ReadonlyMap<string, number>, to: ReadonlyMap<string, number>, share: number): string => {
  const buckets = [...to].flatMap(([name, count]) => {
    const bound = new RegExp(`^${latenessName}_bucket\\{le="(.+)"\\}$`).exec(name)?.[1]
    return bound === undefined ? [] : [{ bound: bound === "+Inf" ? Infinity : Number(bound), count: count - (from.get(name) ?? 0) }]
  })
  const all = buckets.at(-1)?.count ?? 0
  const found = buckets.find(({ count }) => count >= all * share)
  return found === undefined || all === 0
    ? "unknown"
    : found.bound === Infinity
      ? `> ${buckets.at(-2)!.bound * 1000}`
      : `≤ ${found.bound * 1000}`
}

const ticksOf = (from: ReadonlyMap<string, number>, to: ReadonlyMap<string, number>): ReadonlyArray<number> =>
  [...to].flatMap(([name, count]) => (name.startsWith("wmo_group_ticks_total{") ? [count - (from.get(name) ?? 0)] : []))

const flags = given["node-flags"].split(" ").filter(Boolean)
/** As in deploy/wmod.service. */
const env = { ...process.env, MALLOC_ARENA_MAX: "1" }
const daemon = tree.isReal
  ? spawn(process.execPath, [...flags, join(bundle, "wmod.js"), "--config", config], { env, stdio: ["ignore", "ignore", "pipe"] })
  : spawn(process.execPath, [...flags, join(import.meta.dirname, "wmodOnTree.mjs"), "--config", config], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...env, WMOD_BUNDLE: bundle, WMOD_ROOTS: JSON.stringify(tree.roots) }
    })
let said = ""
daemon.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
const ended = new Promise<number | null>((done) => daemon.once("exit", done))
const pid = daemon.pid!

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`
const row = (name: string, text: string): void => console.log(`${name.padEnd(34)} ${text}`)
const memoryRow = (name: string, cost: ProcessCost): void =>
  row(name, `RSS ${mib(cost.rssBytes)}, PSS ${mib(cost.pssBytes)}, anon ${mib(cost.rssAnonBytes)}`)

const startedMs = performance.now()
try {
  for (let i = 0; !said.includes("looks after groups"); i++) {
    if (daemon.exitCode !== null || i > 1200) throw new Error(`wmod did not start:\n${said}`)
    await sleep(100)
  }
  row("where", tree.isReal ? "this kernel's groups" : "a directory tree (reads of tmpfs, no kernel work)")
  row("groups", `${options.groups} (${options.busy} busy), policy ${given.policy}, every ${given.every}${given.record ? ", recorded" : ""}`)
  row("node flags", flags.join(" ") || "none")
  memoryRow("at start", processCost(pid))
  for (let seen = 0, waited = 0; seen < options.groups && waited < 600; waited++) {
    await sleep(200)
    seen = [...(await metrics())].filter(([name, count]) => name.startsWith("wmo_group_ticks_total{") && count > 0).length
  }
  row("all groups looked at after", `${((performance.now() - startedMs) / 1000).toFixed(1)} s, ${processCost(pid).cpuSeconds} s of CPU`)
  await sleep(options.warmUp * 1000)
  const from = { cost: processCost(pid), metrics: await metrics() }
  memoryRow("after warming up", from.cost)
  await sleep(options.seconds * 1000)
  const to = { metrics: await metrics(), cost: processCost(pid) }
  memoryRow("at the end", to.cost)
  const cpu = cpuPercent(from.cost, to.cost)
  row("wmod", `${cpu.toFixed(1)} % of a core`)
  const ticks = ticksOf(from.metrics, to.metrics)
  row("looks a group", `${Math.min(...ticks)} to ${Math.max(...ticks)} in ${options.seconds} s, ${ticks.reduce((a, b) => a + b, 0)} in all`)
  for (const [name, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
    ["most", 1]
  ] as const)
    row(`lateness of ticks, ${name}`, `${latenessMs(from.metrics, to.metrics, share)} ms`)
  if (given.record) {
    const bytes = readdirSync(join(scratch, "recordings")).reduce((sum, name) => sum + statSync(join(scratch, "recordings", name)).size, 0)
    row("recorded", mib(bytes))
  }
  daemon.kill("SIGTERM")
  row("ends with", `code ${await ended}`)
  if (!given["no-python"]) {
    const python = spawn("python3", [join(import.meta.dirname, "senpai.py"), String(options.seconds)], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    python.stdin.end(tree.groups.join("\n"))
    let out = ""
    python.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
    await new Promise((done) => python.once("close", done))
    const is = JSON.parse(out)
    const percent = (is.cpu_seconds / is.wall_seconds) * 100
    row(
      "the Python loop on the same groups",
      `${percent.toFixed(1)} % of a core, ${is.passes} passes, at most ${is.late_ms} ms late, RSS ${mib(is.rss_bytes)}`
    )
    row("wmod : Python", `${(cpu / percent).toFixed(2)} ×`)
  }
  const warnings = said.split("\n").filter((line) => /level=(?:WARN|ERROR|FATAL)/i.test(line))
  if (warnings.length > 0) row("wmod warned", `${warnings.length} times, first: ${warnings[0]}`)
} finally {
  daemon.kill("SIGKILL")
  await ended
  tree.remove()
}
