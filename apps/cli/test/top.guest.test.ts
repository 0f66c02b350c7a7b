/** `wmo top` on a real kernel, as root in the VM's guest: what it says of a busy group is what the kernel's files say. */
import "../../../tooling/inGuest.ts"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, assert, describe, it } from "vitest"

const bundle = join(import.meta.dirname, "../dist/wmo.js")
const root = "/sys/fs/cgroup"
const scratch = mkdtempSync(join(tmpdir(), "wmo-top-"))
const mib = 2 ** 20
const children: Array<ChildProcess> = []

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const start = (...args: ReadonlyArray<string>): { readonly child: ChildProcess; readonly ended: Promise<Ended> } => {
  const child = spawn(process.execPath, [process.env["WMO_BUNDLE"] ?? bundle, ...args], {
    env: { ...process.env, WMO_STATE_DIR: join(scratch, "state") },
    stdio: ["ignore", "pipe", "pipe"]
  })
  children.push(child)
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) child[name]!.on("data", (chunk: Buffer) => (output[name] += chunk.toString()))
  return { child, ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, ...output }))) }
}

const top = async (...args: ReadonlyArray<string>): Promise<Readonly<Record<string, any>>> => {
  const { code, stderr, stdout } = await start("top", "--json", ...args).ended
  assert.strictEqual(code, 0, stderr)
  const { groups } = JSON.parse(stdout) as { readonly groups: ReadonlyArray<{ readonly group: string }> }
  return Object.fromEntries(groups.map((row) => [row.group, row]))
}

const read = (group: string, file: string): string => readFileSync(join(root, group, file), "utf8").trim()

/** A group in which a process holds so many bytes; a busy one touches them all, again and again. */
const occupy = (group: string, bytes: number, isBusy: boolean): void => {
  mkdirSync(join(root, group), { recursive: true })
  const touch = isBusy
    ? "let at = 0; setInterval(() => { for (let i = 0; i < 4000; i++) held[at = (at + 4096) % held.length]++ }, 20)"
    : "setInterval(() => {}, 1e6)"
  // Half of each page is random: it neither compresses to nothing nor not at all.
  const fill = "for (let at = 0; at < held.length; at += 4096) random.copy(held, at)"
  const program = `require("fs").writeFileSync("${join(root, group)}/cgroup.procs", "0"); const random = require("crypto").randomBytes(2048); const held = globalThis.held = Buffer.alloc(${bytes}); ${fill}; ${touch}`
  children.push(spawn(process.execPath, ["-e", program], { stdio: "ignore" }))
}

const until = async (what: string, isSo: () => boolean): Promise<void> => {
  for (let i = 0; i < 400; i++) {
    if (isSo()) return
    await sleep(100)
  }
  assert.fail(`this did not happen within 40 s: ${what}`)
}

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL")
  await sleep(500)
  for (const group of ["top-test/busy", "top-test/idle", "top-test"]) if (existsSync(join(root, group))) rmdirSync(join(root, group))
  rmSync(scratch, { recursive: true, force: true })
})

describe("wmo top", () => {
  it("shows a busy group under pressure and an idle one as the kernel's files do, and who works on it", { timeout: 120_000 }, async () => {
    writeFileSync(join(root, "cgroup.subtree_control"), "+memory")
    mkdirSync(join(root, "top-test"))
    writeFileSync(join(root, "top-test/cgroup.subtree_control"), "+memory")
    occupy("top-test/busy", 120 * mib, true)
    occupy("top-test/idle", 40 * mib, false)
    const holds = (group: string, bytes: number) => Number(read(group, "memory.current")) > bytes
    await until("both hold their memory", () => holds("top-test/busy", 120 * mib) && holds("top-test/idle", 40 * mib))
    writeFileSync(join(root, "top-test/busy/memory.high"), String(80 * mib))
    await until("it is under its limit", () => Number(read("top-test/busy", "memory.current")) < 90 * mib)

    const agent = start("agent", "top-test/idle", "--policy", "senpai", "-q")
    const claimed = () => existsSync(join(scratch, "state")) && read("top-test/idle", "memory.high") !== "max"
    await until("senpai has set its limit", claimed)

    // What is under its limit moves all the time: what was seen is within what the file said meanwhile.
    const said = { busy: [] as Array<number>, idle: [] as Array<number> }
    const look = setInterval(() => {
      for (const name of ["busy", "idle"] as const) said[name].push(Number(read(`top-test/${name}`, "memory.current")))
    }, 50)
    const rows = await top("--cgroup", "top-test", "--every", "4s")
    clearInterval(look)
    const { "top-test": all, "top-test/busy": busy, "top-test/idle": idle } = rows
    const isAmong = (value: number, files: ReadonlyArray<number>) => {
      assert.isAtLeast(value, Math.min(...files) * 0.95)
      assert.isAtMost(value, Math.max(...files) * 1.05)
    }
    isAmong(busy.memory_current_bytes, said.busy)
    isAmong(idle.memory_current_bytes, said.idle)
    assert.isAtLeast(all.memory_current_bytes, busy.memory_current_bytes + idle.memory_current_bytes * 0.95)
    assert.isAbove(busy.refaults_per_second, 0)
    assert.isAbove(busy.promotions_per_second, 0)
    assert.isAbove(busy.psi_some_pct, 0)
    assert.isAbove(busy.swap_bytes, 10 * mib)
    assert.strictEqual(idle.policy, "senpai")
    assert.strictEqual(idle.policy_pid, agent.child.pid)
    assert.match(idle.reason, /memory\.high|stalled|start/)
    assert.isNull(busy.policy)
    agent.child.kill("SIGTERM")
    await agent.ended
    assert.isNull((await top("--cgroup", "top-test/idle", "--every", "500ms"))["top-test/idle"].policy)
  })
})
