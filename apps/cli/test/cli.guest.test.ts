/**
 * The command line on a real kernel, as root in the VM's guest: what only a kernel can answer. Uses the bundle, since a start is seconds
 * under emulation. `node tooling/test-kernel.ts apps/cli` boots the VM and runs it.
 */
import "../../../tooling/inGuest.ts"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, assert, describe, it } from "vitest"

const bundle = join(import.meta.dirname, "../dist/wmo.js")
const root = "/sys/fs/cgroup"
const scratch = mkdtempSync(join(tmpdir(), "wmo-guest-"))
const state = join(scratch, "state")
const mib = 2 ** 20

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Started {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
}

const start = (args: ReadonlyArray<string>, input = ""): Started => {
  const child = spawn(process.execPath, [bundle, ...args], { env: { ...process.env, WMO_STATE_DIR: state } })
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (chunk: Buffer) => (output[name] += chunk.toString()))
  child.stdin.end(input)
  return { process: child, ended: new Promise((resolve) => child.on("exit", (code) => setTimeout(() => resolve({ code, ...output }), 50))) }
}

const wmo = (...args: ReadonlyArray<string>): Promise<Ended> => start(args).ended

const read = (group: string, file: string): string => readFileSync(join(root, group, file), "utf8").trim()
const groupExists = (group: string): boolean => existsSync(join(root, group))

/** Waits for something that a process does when it gets to it; there is no other sign of it. */
const until = async (what: string, isTrue: () => boolean): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    if (isTrue()) return
    await sleep(100)
  }
  assert.fail(`this did not happen within a minute: ${what}`)
}

const isHighSet = (group: string) => () => groupExists(group) && read(group, "memory.high") !== "max"

const groups: Array<string> = []
/** A group with a process that holds 64 MiB, as an administrator would have it. */
const occupied = async (group: string, bytes = 64 * mib): Promise<void> => {
  groups.push(group)
  mkdirSync(join(root, group))
  const program = `require("fs").writeFileSync("${join(root, group)}/cgroup.procs", "0"); globalThis.held = Buffer.alloc(${bytes}, 1); setInterval(() => {}, 1e6)`
  spawn(process.execPath, ["-e", program], { stdio: "ignore" })
  await until(`${group} holds its memory`, () => Number(read(group, "memory.current")) > bytes)
}

const vacate = async (group: string): Promise<void> => {
  if (!groupExists(group)) return
  writeFileSync(join(root, group, "cgroup.kill"), "1")
  await until(`${group} is empty`, () => read(group, "cgroup.events").includes("populated 0"))
  rmdirSync(join(root, group))
}

/** Lines that wmo itself wrote, other than what the policy did. */
const wmoLines = (stderr: string) => stderr.split("\n").filter((line) => line.startsWith("wmo: ") && !/^wmo: +\d+ s /.test(line))

const nothingIsLeft = (): void => {
  assert.isFalse(groupExists("wmo"), "the groups are gone")
  assert.deepStrictEqual(existsSync(state) ? readdirSync(state) : [], [], "the journal is empty")
}

afterEach(async () => {
  for (const group of groups.splice(0)) await vacate(group)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe("wmo on a real kernel", () => {
  it("doctor knows the guest", async () => {
    const { code, stdout } = await wmo("doctor", "--json")
    const found = Object.fromEntries((JSON.parse(stdout) as Array<{ id: string; state: string }>).map(({ id, state }) => [id, state]))
    assert.strictEqual(code, 0)
    for (const id of ["cgroup-v2", "memory-controller", "memory-reclaim", "psi", "zswap", "mglru", "swap"]) {
      assert.strictEqual(found[id], "yes", id)
    }
    assert.strictEqual(found["working-set"], "no")
  })

  it("run passes input, output and exit code through, records, and removes its group", async () => {
    const file = join(scratch, "run.wmo")
    const program = `cat; echo problem >&2; cat "/proc/self/cgroup" >&2; printf '"wild"' > "$WMO_RESULT"; sleep 2; exit 7`
    const { code, stderr, stdout } = await start(["run", "--record", file, "--every", "500ms", "--", "sh", "-c", program], "hello\n").ended
    assert.strictEqual(code, 7)
    assert.strictEqual(stdout, "hello\n")
    assert.include(stderr, "problem\n")
    assert.match(stderr, /0::\/wmo\/run-\d+\n/)
    assert.match(stderr, /^memory +mean .* peak /m)
    nothingIsLeft()

    const summary = JSON.parse((await wmo("recording", "summary", file, "--json")).stdout)
    assert.isAbove(summary.duration_seconds, 1)
    assert.isAbove(summary.memory_current_bytes.peak, 0)
    assert.isAtLeast(summary.memory_current_bytes.peak, summary.memory_current_bytes.mean)
    assert.strictEqual(summary.exit_code, 7)
    assert.isNull(summary.result)
  })

  it("a command that leaves a process behind: it is killed, and the group removed", async () => {
    const { code, stdout } = await wmo("run", "--quiet", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
    assert.strictEqual(code, 0)
    assert.isFalse(existsSync(`/proc/${stdout.trim()}`))
    nothingIsLeft()
  })

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const)("%s ends the command, restores memory.high and the group, and exits with %i", async (signal, expected) => {
    const group = "wmo/interrupted"
    const run = start(["run", "--policy", "senpai", "--group", group, "--", "sleep", "1000"])
    await until("senpai sets memory.high", isHighSet(group))
    run.process.kill(signal)
    const { code, stderr } = await run.ended
    assert.strictEqual(code, expected)
    assert.deepStrictEqual(wmoLines(stderr), [])
    assert.include(stderr, "policy      senpai")
    nothingIsLeft()
  })

  it("after kill -9 the next start restores memory.high and says so; a later one removes the group", async () => {
    const group = "wmo/killed"
    const run = start(["run", "--policy", "senpai", "--group", group, "--", "sleep", "1000"])
    await until("senpai sets memory.high", isHighSet(group))
    run.process.kill("SIGKILL")
    await run.ended
    assert.notStrictEqual(read(group, "memory.high"), "max")

    const next = await wmo("policy", "list")
    assert.strictEqual(next.code, 0)
    assert.include(next.stdout, "periodic")
    assert.include(next.stderr, `an earlier run could not clean up behind itself (pid ${run.process.pid}: run --policy senpai`)
    assert.include(next.stderr, `restored ${root}/${group}/memory.high to max`)
    assert.strictEqual(read(group, "memory.high"), "max")
    assert.isAbove(read(group, "cgroup.procs").length, 0, "the command lives on: it is not ours to end")

    writeFileSync(join(root, group, "cgroup.kill"), "1")
    await until("the group is empty", () => read(group, "cgroup.events").includes("populated 0"))
    const later = await wmo("policy", "list")
    assert.include(later.stderr, `removed ${root}/${group}`)
    nothingIsLeft()
    assert.strictEqual((await wmo("policy", "list")).stderr, "")
  })

  it("agent puts memory.high back, and leaves alone what somebody else has set", async () => {
    const group = "wmo-test-agent"
    await occupied(group)
    const agent = start(["agent", group, "--policy", "senpai", "--for", "5s"])
    await until("senpai sets memory.high", isHighSet(group))
    const ours = await agent.ended
    assert.strictEqual(ours.code, 0)
    assert.match(ours.stderr, /→ memory\.high/)
    assert.strictEqual(read(group, "memory.high"), "max")

    writeFileSync(join(root, group, "memory.high"), String(512 * mib))
    const theirs = await wmo("agent", group, "--policy", "senpai", "--for", "3s")
    assert.strictEqual(theirs.code, 0)
    assert.include(theirs.stderr, "memory.high is 512 MiB, set by somebody else; it is left alone")
    assert.strictEqual(read(group, "memory.high"), String(512 * mib))

    const first = start(["agent", group, "--policy", "senpai", "--for", "8s", "--take-over"])
    await until("senpai changes memory.high", () => read(group, "memory.high") !== String(512 * mib))
    const second = await wmo("agent", group, "--policy", "periodic", "--for", "3s")
    assert.strictEqual(second.code, 1)
    assert.match(second.stderr, /is in the hands of pid \d+ \(agent wmo-test-agent --policy senpai/)
    assert.strictEqual((await first.ended).code, 0)
    assert.strictEqual(read(group, "memory.high"), String(512 * mib))
    nothingIsLeft()
  })

  it("--dry-run decides, and leaves memory.high and memory.current alone", async () => {
    const group = "wmo-test-dry"
    await occupied(group)
    const before = Number(read(group, "memory.current"))
    const { code, stderr } = await wmo("agent", `${root}/${group}`, "--policy", "senpai", "--for", "4s", "--dry-run")
    assert.strictEqual(code, 0)
    assert.include(stderr, "[dry-run]")
    assert.strictEqual(read(group, "memory.high"), "max")
    assert.isAbove(Number(read(group, "memory.current")), 0.95 * before)
    assert.strictEqual(Number(read(group, "memory.swap.current")), 0)
  })

  it("a group that is removed mid-run ends the agent with one line", async () => {
    const group = "wmo-test-gone"
    await occupied(group, mib)
    const agent = start(["agent", group, "--policy", "senpai", "--quiet"])
    await until("senpai sets memory.high", isHighSet(group))
    await vacate(group)
    const { code, stderr } = await agent.ended
    assert.strictEqual(code, 1)
    assert.strictEqual(wmoLines(stderr).length, 1, stderr)
    assert.match(wmoLines(stderr)[0]!, new RegExp(`cgroup ${group}`))
    nothingIsLeft()
  })

  it("capture writes a manifest with the group's files", async () => {
    const out = join(scratch, "capture")
    const group = "wmo-test-capture"
    groups.push(group)
    mkdirSync(join(root, group))
    const { code, stdout } = await wmo("capture", "--cgroup", group, out)
    const manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8"))
    assert.strictEqual(code, 0)
    assert.match(stdout, /^\d+ files of kernel \S+ in /)
    assert.include(
      manifest.files.map(({ path }: { path: string }) => path),
      `${root}/${group}/memory.current`
    )
    assert.strictEqual(readFileSync(`${out}/root${root}/${group}/memory.high`, "utf8"), "max\n")
  })

  it("periodic takes the cold part of a workload away, and not a byte is lost", async () => {
    const file = join(scratch, "hotcold.wmo")
    const policy = ["--policy", "periodic", "--set", "cold_age=3s", "--set", "interval=1s", "--every", "500ms", "--quiet", "--record", file]
    const sizes = ["--hot", "8M", "--warm", "0", "--cold", "64M", "--duration", "30s"]
    const run = await wmo("run", ...policy, "--", process.execPath, bundle, "workload", "hotcold", ...sizes)
    assert.strictEqual(run.code, 0, run.stderr)
    assert.include(run.stderr, "contents    verified, every byte right")
    const rows = (await wmo("recording", "export", file)).stdout.trim().split("\n")
    const column = rows[0]!.split(",").indexOf("memory_current_bytes")
    const current = rows.slice(1).map((row) => Number(row.split(",")[column]))
    const lowest = Math.min(...current.slice(current.indexOf(Math.max(...current))))
    assert.isBelow(lowest, 0.75 * Math.max(...current), rows.map((row) => row.replaceAll(/,\d*(?=,)/g, "")).join("\n"))
    nothingIsLeft()
  })
})
