/**
 * Two hundred groups on a real kernel, as root in the VM's guest, by the bundles: all are looked at, turns are counted, and what was changed is put back.
 * Asserts no time: `bench/groups.ts` measures.
 */
import "../../../tooling/inGuest.ts"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const bundle = join(import.meta.dirname, "../dist/wmod.js")
const root = "/sys/fs/cgroup"
const parent = "wmo-many"
const scratch = mkdtempSync(join(tmpdir(), "wmod-many-"))
const address = "127.0.0.1:9274"
const names = Array.from({ length: 200 }, (_, i) => `${parent}/g${i}`)
let daemon: ChildProcess | undefined

/** Samples of `/metrics`, by name and labels; none while nobody answers. */
const metrics = async (): Promise<ReadonlyMap<string, number>> => {
  try {
    const text = await (await fetch(`http://${address}/metrics`)).text()
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    return new Map(lines.map((line) => [line.replace(/ \S+$/, ""), Number(line.split(" ").at(-1))]))
  } catch {
    return new Map()
  }
}

const until = async <A>(what: string, look: () => Promise<A>, isTrue: (value: A) => boolean): Promise<A> => {
  for (let i = 0; i < 150; i++) {
    const value = await look()
    if (isTrue(value)) return value
    await sleep(500)
  }
  return assert.fail(`this did not happen: ${what}`)
}

const ticks = (all: ReadonlyMap<string, number>): ReadonlyArray<number> =>
  names.map((name) => all.get(`wmo_group_ticks_total{group="${name}"}`) ?? 0)
const turns = (all: ReadonlyMap<string, number>): number => all.get("wmo_tick_lateness_seconds_count") ?? 0

beforeAll(() => {
  mkdirSync(join(root, parent))
  writeFileSync(join(root, parent, "cgroup.subtree_control"), "+memory")
  for (const name of names) mkdirSync(join(root, name))
})
afterAll(() => {
  daemon?.kill("SIGKILL")
  for (const name of [...names, parent]) rmdirSync(join(root, name))
  rmSync(scratch, { recursive: true, force: true })
})

describe("wmod with two hundred groups", () => {
  it("looks at all of them, has all of them asked at every turn, and puts all back", { timeout: 200_000 }, async () => {
    const config = join(scratch, "wmod.yaml")
    const state = join(scratch, "state")
    const rule = `{ match: "${parent}/*", policy: senpai, settings: { min_size: 4M } }`
    writeFileSync(
      config,
      `emergency_stop: off\nrules: [${rule}]\nself: { cpu: off }\nstate_directory: ${state}\nserver: { http: "${address}" }\n`
    )
    const child = spawn(process.execPath, [bundle, "--config", config], { stdio: ["ignore", "ignore", "pipe"] })
    daemon = child
    let said = ""
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve))

    await until("every group was looked at", metrics, (all) => ticks(all).every((count) => count > 0))
    assert.isTrue(names.every((name) => readFileSync(join(root, name, "memory.high"), "utf8").trim() !== "max"))
    const before = await metrics()
    await until("each was asked ten times more", metrics, (all) => turns(all) - turns(before) >= 10 * names.length)
    await until("each was looked at again", metrics, (all) => ticks(all).every((count, i) => count > ticks(before)[i]!))
    const after = await metrics()
    // Nothing moves in them: they are asked, and seldom looked at.
    const looks = ticks(after).reduce((sum, count, i) => sum + count - ticks(before)[i]!, 0)
    assert.isBelow(looks, turns(after) - turns(before))
    assert.strictEqual(after.get('wmo_tick_lateness_seconds_bucket{le="+Inf"}'), turns(after))
    assert.strictEqual(after.get('wmo_groups{state="acting"}'), names.length, said)

    child.kill("SIGTERM")
    assert.strictEqual(await ended, 0, said)
    assert.isTrue(names.every((name) => readFileSync(join(root, name, "memory.high"), "utf8").trim() === "max"))
    assert.deepStrictEqual(existsSync(state) ? readdirSync(state).filter((name) => name.endsWith(".jsonl")) : [], [])
  })
})
