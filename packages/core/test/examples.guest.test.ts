/**
 * The examples on the real kernel. Each is a program; here it is imported, with its arguments in place: Node crashes now and then (see
 * CONTRIBUTING) while it strips the types of many files by itself, which vitest does for it here.
 */
import "../../../tooling/inGuest.ts"
import { assert, describe, it } from "vitest"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"

const root = "/sys/fs/cgroup"
/** What the program printed. Rejects with what it failed with. Once each: a module is run once. */
const example = async (name: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const { argv } = process
  const { log } = console
  const lines: Array<string> = []
  process.argv = [argv[0]!, name, ...args]
  console.log = (line: string) => void lines.push(line)
  try {
    await import(`../examples/${name}.ts`)
  } finally {
    process.argv = argv
    console.log = log
  }
  return lines.map((line) => `${line}\n`).join("")
}

/** A group with a process that holds 64 MiB; in it or out of it by `use`'s end. */
const withProcess = async (program: string, use: (group: string, pid: number) => Promise<void>): Promise<void> => {
  const group = `wmo-test-examples-${process.pid}`
  mkdirSync(`${root}/${group}`)
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] })
  try {
    writeFileSync(`${root}/${group}/cgroup.procs`, String(child.pid))
    await new Promise((resolve) => child.stdout.once("data", resolve))
    await use(group, child.pid!)
  } finally {
    child.kill("SIGKILL")
    for (let tries = 0; tries < 100; tries++) {
      try {
        rmdirSync(`${root}/${group}`)
        break
      } catch {
        await setTimeout(50)
      }
    }
  }
}

const holder = `setTimeout(() => { globalThis.held = Buffer.alloc(${64 * 2 ** 20}, "wmo"); console.log("ready") }, 500); setInterval(() => {}, 1000)`

/** Touches more than memory.high allows, again and again. */
const thrasher = `setTimeout(() => {
  const held = Buffer.alloc(${64 * 2 ** 20}, "wmo")
  console.log("ready")
  setInterval(() => { for (let i = 0; i < held.length; i += 4096) held[i]++ }, 10)
}, 500)`

describe("examples", () => {
  it("workingSet prints how long a group's memory has not been used", () =>
    withProcess(holder, async (group) => {
      const stdout = await example("workingSet", group, "2")
      assert.match(stdout, /^node 0\n(?: {2}used \S+(?: \S+)? to .+ ago: anon +\S+ \S+ +file +\S+ \S+\n){2,4}$/)
    }))

  it("pressureAlarm is woken by a group that thrashes", () =>
    withProcess(thrasher, async (group) => {
      writeFileSync(`${root}/${group}/memory.high`, String(40 * 2 ** 20))
      const stdout = await example("pressureAlarm", group, "20", "1")
      assert.match(stdout, /^waiting for 20 ms of stall within 2 s\n\S+Z {2}tasks waited for memory\n$/)
    }))

  it("damonSnapshot lists a process's regions, hottest first", () =>
    withProcess(holder, async (_, pid) => {
      if (!existsSync("/sys/kernel/mm/damon/admin")) {
        const refused = await example("damonSnapshot", String(pid)).catch(String)
        return assert.match(refused, /nr_kdamonds: there is no such file/)
      }
      const stdout = await example("damonSnapshot", String(pid), "3")
      const lines = stdout.trim().split("\n")
      assert.isAtLeast(lines.length, 3)
      for (const line of lines) assert.match(line, /^[0-9a-f]{12} +\S+ \S+ +\d+ % {2}for \S+/)
      const rates = lines.map((line) => Number(/(\d+) %/.exec(line)![1]))
      assert.deepStrictEqual(
        rates,
        rates.toSorted((a, b) => b - a)
      )
    }))
})
