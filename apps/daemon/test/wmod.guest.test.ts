/**
 * wmod on a real kernel, as root in the VM's guest: groups that come, go and are killed, reloads, SIGTERM and kill -9; after each the kernel's settings are
 * as before, and the recording opens. Uses the bundles, since a start is seconds under emulation.
 */
import "../../../tooling/inGuest.ts"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, assert, beforeEach, describe, it } from "vitest"

const bundles = { wmod: join(import.meta.dirname, "../dist/wmod.js"), wmo: join(import.meta.dirname, "../../cli/dist/wmo.js") }
const root = "/sys/fs/cgroup"
const scratch = mkdtempSync(join(tmpdir(), "wmod-guest-"))
const state = join(scratch, "state")
const recordings = join(scratch, "recordings")
const config = join(scratch, "wmod.yaml")
const mib = 2 ** 20

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Started {
  readonly process: ChildProcess
  readonly stderr: () => string
  readonly ended: Promise<Ended>
}

const children: Array<ChildProcess> = []
const start = (program: keyof typeof bundles, ...args: ReadonlyArray<string>): Started => {
  const child = spawn(process.execPath, [bundles[program], ...args], { env: { ...process.env, WMO_STATE_DIR: state } })
  children.push(child)
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (chunk: Buffer) => (output[name] += chunk.toString()))
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, ...output })))
  return { process: child, stderr: () => output.stderr, ended }
}
const wmo = (...args: ReadonlyArray<string>): Promise<Ended> => start("wmo", ...args).ended
const wmod = (): Started => start("wmod", "--config", config)

const read = (group: string, file: string): string => readFileSync(join(root, group, file), "utf8").trim()
const isHighSet = (group: string) => () => existsSync(join(root, group)) && read(group, "memory.high") !== "max"
const isHighBack = (group: string) => () => read(group, "memory.high") === "max"

const until = async (what: string, isTrue: () => boolean): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    if (isTrue()) return
    await sleep(100)
  }
  assert.fail(`this did not happen within a minute: ${what}`)
}

const groups: Array<string> = []
/** A group with a process that holds so much memory. */
const occupied = async (group: string, bytes = 48 * mib): Promise<void> => {
  groups.push(group)
  mkdirSync(join(root, group))
  const program = `require("fs").writeFileSync("${join(root, group)}/cgroup.procs", "0"); globalThis.held = Buffer.alloc(${bytes}, 1); setInterval(() => {}, 1e6)`
  spawn(process.execPath, ["-e", program], { stdio: "ignore" })
  await until(`${group} holds its memory`, () => Number(read(group, "memory.current")) > bytes)
}

const kill = async (group: string): Promise<void> => {
  writeFileSync(join(root, group, "cgroup.kill"), "1")
  await until(`${group} is empty`, () => /^populated 0$/m.test(read(group, "cgroup.events")))
  rmdirSync(join(root, group))
  groups.splice(groups.indexOf(group), 1)
}

const text = (policy: string): string =>
  [
    "every: 500ms",
    "emergency_stop: off",
    `rules: [{ match: "wmod-*", policy: ${policy} }]`,
    `recording: { directory: ${recordings} }`,
    "server: { http: 127.0.0.1:9273 }"
  ].join("\n")

const statusOf = async () => JSON.parse((await wmo("status", "--json")).stdout)
const journals = (): ReadonlyArray<string> => (existsSync(state) ? readdirSync(state).filter((name) => name.endsWith(".jsonl")) : [])

/** Tells wmod something, which it must understand. */
const tell = async (command: string): Promise<void> => {
  const { code, stderr } = await wmo(command)
  assert.strictEqual(code, 0, stderr)
}

/** What all recordings say of these groups, by `wmo` itself. */
const recordedGroups = async (): Promise<ReadonlyArray<string>> => {
  const found = new Set<string>()
  for (const name of readdirSync(recordings).filter((each) => each.endsWith(".wmo"))) {
    const { code, stderr, stdout } = await wmo("recording", "summary", join(recordings, name), "--json")
    assert.strictEqual(code, 0, stderr)
    for (const [, group] of stdout.matchAll(/"group": "(wmod-[a-z]+)"/g)) found.add(group!)
  }
  return [...found].toSorted()
}

beforeEach(() => writeFileSync(config, text("senpai")))
afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL")
  while (groups.length > 0) await kill(groups[0]!)
  rmSync(recordings, { recursive: true, force: true })
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe("wmod on this kernel", () => {
  it("looks after groups that come, go and are killed; reloads; SIGTERM puts all back", async () => {
    await occupied("wmod-a")
    const daemon = wmod()
    await until("wmod-a is looked after", isHighSet("wmod-a"))
    assert.strictEqual(statSync(join(state, "wmod.sock")).mode & 0o777, 0o600)

    await occupied("wmod-b")
    await until("wmod-b, which came later, is looked after", isHighSet("wmod-b"))
    await kill("wmod-b")
    await sleep(1000)
    const status = await statusOf()
    assert.deepStrictEqual(
      status.groups.map(({ group }: { readonly group: string }) => group),
      ["wmod-a"]
    )
    const explained = await wmo("explain", "wmod-a")
    assert.match(explained.stdout, /set memory\.high to/, explained.stderr)
    const metrics = await (await fetch("http://127.0.0.1:9273/metrics")).text()
    assert.match(metrics, /^wmo_group_memory_current_bytes\{group="wmod-a"\} \d+$/m)
    // The bundle carries its page: one script, with uPlot in it.
    assert.include(await (await fetch("http://127.0.0.1:9273/")).text(), 'src="/page/main.js"')
    assert.isAbove((await (await fetch("http://127.0.0.1:9273/page/main.js")).text()).length, 50_000)

    writeFileSync(config, "rules: 7")
    const refused = await wmo("reload")
    assert.deepStrictEqual([refused.code, /wmod\.yaml:1:8: rules: expected array/.test(refused.stderr)], [1, true], refused.stderr)
    assert.isTrue(isHighSet("wmod-a")())
    writeFileSync(config, text("none"))
    daemon.process.kill("SIGHUP")
    await until("wmod-a is put back after the reload", isHighBack("wmod-a"))
    writeFileSync(config, text("senpai"))
    await tell("reload")
    await until("wmod-a is looked after again", isHighSet("wmod-a"))

    await tell("pause")
    assert.isTrue(isHighBack("wmod-a")())
    await tell("resume")
    await until("it goes on after the pause", isHighSet("wmod-a"))

    const cost = await statusOf()
    console.log(
      `wmod: ${(cost.rss_bytes / mib).toFixed(0)} MiB, ${cost.cpu_seconds.toFixed(1)} s of CPU in ${((Date.now() - cost.started_ms) / 1000).toFixed(0)} s, starting included, emulated`
    )
    daemon.process.kill("SIGTERM")
    const { code, stderr } = await daemon.ended
    assert.strictEqual(code, 0, stderr)
    assert.isTrue(isHighBack("wmod-a")())
    assert.deepStrictEqual(journals(), [])
    assert.isFalse(existsSync(join(state, "wmod.sock")))
    assert.deepStrictEqual(await recordedGroups(), ["wmod-a", "wmod-b"])
  })

  it("what kill -9 left is undone by the next start, the recording opens, and there is only one at a time", async () => {
    await occupied("wmod-a")
    const first = wmod()
    await until("wmod-a is looked after", isHighSet("wmod-a"))
    const second = await wmod().ended
    assert.strictEqual(second.code, 1)
    assert.match(second.stderr, /wmod is in the hands of pid \d+ \(wmod --config .*\): end that first/)
    first.process.kill("SIGKILL")
    await first.ended
    assert.isTrue(isHighSet("wmod-a")())

    writeFileSync(config, text("none"))
    const third = wmod()
    await until("the third tells what it undid", () => /an earlier run could not clean up/.test(third.stderr()))
    await until("wmod-a is put back", isHighBack("wmod-a"))
    await until("it answers where the dead one's socket was left", () => /looks after groups/.test(third.stderr()))
    assert.strictEqual((await statusOf()).groups[0].policy, "none")
    third.process.kill("SIGTERM")
    assert.strictEqual((await third.ended).code, 0)
    assert.deepStrictEqual(journals(), [])
    assert.deepStrictEqual(await recordedGroups(), ["wmod-a"])
  })
})
