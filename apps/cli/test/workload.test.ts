/** `wmo workload` as a process: how it ends when it is told to, and what it leaves behind. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { afterEach, assert, describe, it } from "vitest"

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
  const commands = [
    ["SIGINT", "hotcold", "--warm", "1M", ...small],
    ["SIGTERM", "bursts", "--burst", "1M", ...small],
    ["SIGHUP", "min-age-1", "--bytes", "4M"],
    ["SIGINT", "pattern", "--bytes", "3M"]
  ] as const
  it.each(commands)("%s ends %s at once, as it does any program", async (signal, ...args) => {
    const { child, ended, hasSpoken } = start([...args, "--duration", "20s"])
    await hasSpoken
    const toldMs = performance.now()
    child.kill(signal)
    assert.strictEqual((await ended).signal, signal)
    assert.isBelow(performance.now() - toldMs, 5000)
  })
})
