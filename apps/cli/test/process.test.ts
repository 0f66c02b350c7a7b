/** What only a process shows: exit codes, which stream is which, closed pipes, signals, where it starts. */
import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"

const main = join(import.meta.dirname, "../src/main.ts")
const scratch = mkdtempSync(join(tmpdir(), "wmo-process-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const env = { ...process.env, WMO_STATE_DIR: join(scratch, "state"), NODE_DISABLE_COMPILE_CACHE: "1" }
const wmo = (...args: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8", env, cwd: scratch })
  return { code: status, stdout, stderr }
}

describe("the process", () => {
  it("--version", () => {
    assert.match(wmo("--version").stdout, /^wmo \d+\.\d+\.\d+\n$/)
  })

  it("data goes to stdout", () => {
    const { code, stderr, stdout } = wmo("policy", "list", "--json")
    assert.strictEqual(code, 0)
    assert.strictEqual(stderr, "")
    assert.isArray(JSON.parse(stdout))
  })

  it("an error is one line on stderr", () => {
    assert.deepStrictEqual(wmo("policy", "show", "snepai"), {
      code: 2,
      stdout: "",
      stderr: 'wmo: there is no policy "snepai"; did you mean senpai?\n'
    })
    assert.deepStrictEqual(wmo("recording", "summary", "none.wmo"), {
      code: 1,
      stdout: "",
      stderr: "wmo: cannot open recording none.wmo: there is no such file\n"
    })
  })

  it("doctor works on this machine", () => {
    const { code, stderr, stdout } = wmo("doctor", "--json")
    assert.strictEqual(code, 0)
    assert.strictEqual(stderr, "")
    assert.isArray(JSON.parse(stdout))
  })

  it("a reader that has seen enough is no error", () => {
    const shell = `"$0" "$1" demo --duration 20s --record demo.wmo 2>/dev/null >/dev/null && "$0" "$1" recording export demo.wmo | head -n 1`
    const { stderr, stdout } = spawnSync("/bin/sh", ["-c", shell, process.execPath, main], { encoding: "utf8", env, cwd: scratch })
    assert.strictEqual(stderr, "")
    assert.match(stdout, /^run_id,policy,at_ms,.*\n$/)
  })

  it("a reader that is slow gets all of it", () => {
    const recorded = `"$0" "$1" demo --duration 400s --record long.wmo 2>/dev/null >/dev/null`
    const shell = `${recorded} && "$0" "$1" recording export long.wmo > whole.csv && "$0" "$1" recording export long.wmo | { sleep 1; cat; } > read.csv`
    spawnSync("/bin/sh", ["-c", shell, process.execPath, main], { env, cwd: scratch })
    const whole = readFileSync(join(scratch, "whole.csv"), "utf8")
    assert.isAbove(whole.length, 2 ** 17)
    assert.isTrue(readFileSync(join(scratch, "read.csv"), "utf8") === whole)
  })

  it("Ctrl+C ends it, also where nobody reads what it prints", async () => {
    const child = spawn(process.execPath, [main, "recording", "export", "long.wmo"], {
      env,
      cwd: scratch,
      stdio: ["ignore", "pipe", "ignore"]
    })
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve))
    // The pipe is full soon after it has begun to print.
    await new Promise((resolve) => child.stdout.once("readable", resolve))
    child.kill("SIGINT")
    assert.strictEqual(await ended, 130)
  })

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends it with 130, and leaves nothing behind", async (signal) => {
    const temporary = mkdtempSync(join(scratch, "tmp-"))
    const child = spawn(process.execPath, [main, "demo", "--duration", "100h", "--record", `${signal}.wmo`], {
      env: { ...env, TMPDIR: temporary },
      cwd: scratch,
      stdio: ["ignore", "ignore", "pipe"]
    })
    let stderr = ""
    const code = await new Promise<number | null>((resolve) => {
      child.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk.toString()
        child.kill(signal)
      })
      child.on("exit", resolve)
    })
    assert.strictEqual(code, 130)
    assert.strictEqual(stderr.trim().split("\n").length, 1)
    assert.deepStrictEqual(readdirSync(temporary), [])
  })
})
