/**
 * `wmo record` on a real kernel, as root in the VM's guest: DAMON is set up and given back, on an interrupt and after kill -9, and the recording opens.
 * Uses the bundle.
 */
import "../../../tooling/inGuest.ts"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const bundle = process.env["WMO_BUNDLE"] ?? join(import.meta.dirname, "../dist/wmo.js")
const root = "/sys/fs/cgroup"
const scratch = mkdtempSync(join(tmpdir(), "wmo-record-guest-"))
const state = join(scratch, "state")
const group = "wmo-record"
const countPath = "/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"
const hasDamon = existsSync(countPath)
const mib = 2 ** 20
let holder: ChildProcess

const start = (...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [bundle, ...args], { env: { ...process.env, WMO_STATE_DIR: state } })
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (chunk: Buffer) => (output[name] += chunk.toString()))
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, ...output }))
  )
  return { child, ended, output }
}

const until = async (what: string, isTrue: () => boolean): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    if (isTrue()) return
    await sleep(100)
  }
  assert.fail(`this did not happen within a minute: ${what}`)
}

/** Nothing was changed: there is not even a directory for it. */
const journals = (): ReadonlyArray<string> => (existsSync(state) ? readdirSync(state) : [])
const kdamonds = (): string => (hasDamon ? readFileSync(countPath, "utf8").trim() : "0")
/** While its owner writes to it, DAMON's tree refuses to be read (EBUSY): not yet, then. */
const isRunning = () => {
  try {
    return !hasDamon || (kdamonds() === "1" && readFileSync("/sys/kernel/mm/damon/admin/kdamonds/0/state", "utf8").trim() === "on")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EBUSY") return false
    throw error
  }
}

beforeAll(async () => {
  writeFileSync(join(root, "cgroup.subtree_control"), "+memory")
  mkdirSync(join(root, group))
  const program = `require("fs").writeFileSync("${root}/${group}/cgroup.procs", "0"); globalThis.held = Buffer.alloc(${32 * mib}, 1); setInterval(() => {}, 1e6)`
  holder = spawn(process.execPath, ["-e", program], { stdio: "ignore" })
  await until("the group has its memory", () => Number(readFileSync(join(root, group, "memory.current"), "utf8")) > 32 * mib)
})

afterAll(async () => {
  holder.kill("SIGKILL")
  await until("the group is empty", () => readFileSync(join(root, group, "cgroup.events"), "utf8").includes("populated 0"))
  rmdirSync(join(root, group))
  rmSync(scratch, { recursive: true })
})

describe("wmo record on a real kernel", () => {
  it("records the group with its histograms until it is interrupted, and gives everything back", async () => {
    const file = join(scratch, "record.wmo")
    const record = start("record", "--cgroup", group, "--processes", group, "--working-set", "3s", "--histograms-every", "4s", "-o", file)
    await until("it records", () => existsSync(file) && isRunning())
    await sleep(12_000)
    record.child.kill("SIGINT")
    const { code, stderr } = await record.ended
    assert.strictEqual(code, 130, stderr)
    assert.match(stderr, hasDamon ? /page ages from damon-vaddr/ : /page ages from (?:mglru|none)/)
    assert.match(stderr, /recorded .* 1 cgroups, 1 processes\n/)
    assert.strictEqual(kdamonds(), "0")
    assert.deepStrictEqual(journals(), [])
    const list = JSON.parse((await start("recording", "list", file, "--json").ended).stdout)
    assert.strictEqual(list[0].is_ended, true)
    assert.deepInclude(list[0].subjects, { cgroup: 1, process: 1, machine: 1 })
    // The 32 MiB are never used again: they are found cold.
    if (hasDamon) assert.match(stderr, /page ages {3}\S+: [1-9]\d* histograms/)
  })

  it("after kill -9 the recording opens, and the next start gives DAMON back", async () => {
    const file = join(scratch, "killed.wmo")
    const record = start("record", "--cgroup", group, "-o", file)
    await until("it records", () => existsSync(file) && isRunning())
    await sleep(3000)
    record.child.kill("SIGKILL")
    await record.ended
    const { code, stderr, stdout } = await start("recording", "list", file, "--json").ended
    assert.strictEqual(code, 0, stderr)
    const [listed] = JSON.parse(stdout)
    assert.strictEqual(listed.is_ended, false)
    assert.strictEqual(listed.subjects.cgroup, 1)
    assert.strictEqual(kdamonds(), "0")
    assert.deepStrictEqual(journals(), [])
  })
})
