/** `wmo workload` as a process: how it ends when it is told to, and what it leaves behind. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach } from "vitest"
import { scratch, wmo } from "./harness.ts"

const main = join(import.meta.dirname, "../src/main.ts")

const children: Array<ChildProcess> = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
})

interface Started {
  readonly child: ChildProcess
  /** When it has said something, on either stream. */
  readonly hasSpoken: Promise<void>
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly said: string }>
}

const start = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}): Started => {
  const child = spawn(process.execPath, [main, "workload", ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } })
  children.push(child)
  let said = ""
  const hasSpoken = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (piece: Buffer) => {
        said += piece.toString()
        resolve()
      })
    }
  })
  const ended: Started["ended"] = new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, said })))
  return { child, hasSpoken, ended }
}

describe("a workload that blocks its thread", () => {
  const small = ["--hot", "1M", "--cold", "1M"]
  const commands: ReadonlyArray<readonly [NodeJS.Signals, string, ReadonlyArray<string>]> = [
    ["SIGINT", "hotcold", ["--warm", "1M", ...small]],
    ["SIGTERM", "bursts", ["--burst", "1M", ...small]],
    ["SIGHUP", "min-age-1", ["--bytes", "4M"]],
    ["SIGINT", "pattern", ["--bytes", "3M"]]
  ]
  it.each(commands)("%s ends %s at once, as it does any program", async (signal, name, args) => {
    const { child, ended, hasSpoken } = start([name, ...args, "--duration", "20s"])
    await hasSpoken
    const toldMs = performance.now()
    child.kill(signal)
    assert.strictEqual((await ended).signal, signal)
    assert.isBelow(performance.now() - toldMs, 5000)
  })
})

describe("a workload that starts processes", () => {
  /** What was killed may still be there for its new parent to see how it ended. */
  const isRunning = (pid: string): boolean => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
    } catch {
      return false
    }
  }

  /** Does nothing for a long time, like a server that does not answer or a compiler with much to do; says which process it is. */
  const pidFile = join(scratch, "pid")
  const idle = join(scratch, "idle-program")
  writeFileSync(idle, `#!/bin/sh\necho $$ > '${pidFile}'\nexec sleep 60\n`)
  chmodSync(idle, 0o755)

  it.each([
    ["redis", "--server", idle],
    ["compile", "--compiler", idle, "--files", "1"]
  ])("%s ends at once when it is told to, with all of them, and leaves no files", async (...args) => {
    const temporary = mkdtempSync(join(scratch, "tmp-"))
    writeFileSync(pidFile, "")
    const { child, ended } = start(args, { TMPDIR: temporary })
    let pid = ""
    for (; pid === ""; pid = readFileSync(pidFile, "utf8").trim()) await new Promise((resolve) => setTimeout(resolve, 20))
    const toldMs = performance.now()
    child.kill("SIGTERM")
    const { code, said } = await ended
    assert.strictEqual(code, 130, said)
    assert.isBelow(performance.now() - toldMs, 5000)
    assert.isFalse(isRunning(pid))
    assert.deepStrictEqual(readdirSync(temporary), [])
  })
})

describe("a workload that is to last no time", () => {
  it.effect.each(["hotcold", "bursts", "min-age-1", "redis", "compile", "pattern"])("%s is a usage error", (name) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* wmo(["workload", name, "--duration", "0s"])
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
      assert.strictEqual(stderr.trim().split("\n").length, 1, stderr)
      assert.match(stderr, /--duration must be at least 1ms/)
    })
  )
})
