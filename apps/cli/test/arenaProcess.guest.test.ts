/**
 * `wmo arena watch` and `advise` on a real kernel, as root in the VM's guest: what they print, and that an `advise` which is killed leaves the
 * target unharmed and its kdamond to the next start. Uses the bundle.
 */
import "../../../tooling/inGuest.ts"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { StepTarget, until } from "../../../packages/arena/test/support/stepTarget.ts"

const bundle = join(import.meta.dirname, "../dist/wmo.js")
const kdamonds = "/sys/kernel/mm/damon/admin/kdamonds"
const mib = 2 ** 20
const quick = ["--cold", "800ms", "--chunk", "256K", "--set", "leastAgeMs=500ms", "--set", "leastColdMs=500ms", "--set", "cpuPercent=100"]

const start = (args: ReadonlyArray<string>, state: string) => {
  const child = spawn(process.execPath, [bundle, "arena", ...args], { env: { ...process.env, WMO_STATE_DIR: state } })
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (chunk: Buffer) => (output[name] += chunk.toString()))
  const ended = new Promise<number | string>((resolve) => child.on("close", (code, signal) => resolve(signal ?? code ?? -1)))
  return { child, output, ended }
}
const countOf = () => readFileSync(`${kdamonds}/nr_kdamonds`, "utf8").trim()

describe.skipIf(!existsSync(kdamonds))("wmo arena on a process", () => {
  it("advise says what it did; killed in the middle it does no harm, and the next start puts DAMON back", async () => {
    const state = mkdtempSync(join(tmpdir(), "wmo-arena-state-"))
    const target = new StepTarget()
    try {
      assert.strictEqual(await target.line(), "ready")
      const killed = start(["advise", String(target.pid), ...quick], state)
      await until("its memory is out", () => target.swappedBytes > 8 * mib)
      killed.child.kill("SIGKILL")
      assert.strictEqual(await killed.ended, "SIGKILL")
      assert.strictEqual(countOf(), "1")
      assert.strictEqual((await target.step("touch")).wrong, 0)

      const looking = start(["watch", String(target.pid), "--once", "--for", "2s", "--json"], state)
      assert.strictEqual(await looking.ended, 0, looking.output.stderr)
      assert.include(looking.output.stderr, "an earlier run could not clean up behind itself")
      const report = JSON.parse(looking.output.stdout) as { mode: string; predictor: { standings: ReadonlyArray<unknown> } }
      assert.strictEqual(report.mode, "watch")
      assert.isAbove(report.predictor.standings.length, 3)
      assert.strictEqual(countOf(), "0")

      const ending = start(["advise", String(target.pid), "--json", ...quick], state)
      await until("its memory is out again", () => target.swappedBytes > 8 * mib)
      await until("it says so", () => ending.output.stdout.includes("paged out"))
      ending.child.kill("SIGTERM")
      assert.strictEqual(await ending.ended, 130, ending.output.stderr)
      assert.strictEqual(countOf(), "0")
      const lines = ending.output.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { type: string; pagedOutBytes?: number })
      assert.strictEqual(lines.at(-1)!.type, "summary")
      assert.isAbove(lines.at(-1)!.pagedOutBytes!, 4 * mib)
      assert.isTrue(lines.some(({ type }) => type === "decision"))
      assert.strictEqual((await target.step("touch")).wrong, 0)
    } finally {
      target.child.kill("SIGKILL")
    }
  })

  it("bench runs a workload as its unmodified target: pages come back right, and DAMON is as before", async () => {
    const state = mkdtempSync(join(tmpdir(), "wmo-arena-state-"))
    const bursts = ["--workload", "interactive_burst", "--region", "16M", "--active", "200ms", "--idle", "3s"]
    const shape = [...bursts, "--cold", "1s", "--duration", "14s", "--warmup", "5s"]
    const bench = start(["bench", "--arena", "process", "--predictor", "none", "--json", ...shape], state)
    assert.strictEqual(await bench.ended, 0, bench.output.stderr)
    const row = JSON.parse(bench.output.stdout) as Record<string, any>
    assert.strictEqual(row["wrong_bytes"], 0)
    const { process_arena: arena } = row["runs"].at(-1)
    assert.isAbove(arena.paged_out_bytes, mib)
    assert.isAbove(arena.major_faults, 0)
    assert.isAbove(row["pss_byte_seconds_saved_share"], 0)
    assert.strictEqual(countOf(), "0")
  })
})
