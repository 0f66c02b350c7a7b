/** A short league in a real guest: boots, plays, resumes, reports. Needs what `wmo vm setup --install` fetches. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"

const minutes = 60_000
const wmo = join(import.meta.dirname, "../dist/wmo.js")
const scratch = mkdtempSync(join(tmpdir(), "wmo-league-vm-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const run = (args: ReadonlyArray<string>): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [wmo, ...args], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    )
  })

describe("wmo lab league in a guest", () => {
  const directory = join(scratch, "league")

  it(
    "plays entries beside a run without a policy, and loses no byte",
    async () => {
      const workload = "small=hotcold --hot 16M --warm 8M --cold 40M --warm-every 2s --forget-every 20ms"
      const args = "lab league -e periodic:cold_age=4s,interval=2s -e periodic:cold_age=400s --repeats 1 --duration 30s --settle 18s --json"
      const { code, stderr, stdout } = await run([...args.split(" "), "-w", workload, "--out", directory])
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /3 slots to play: about \d+ m/)
      const { played, rows, slots } = JSON.parse(stdout)
      assert.deepStrictEqual([slots, played], [3, 3])
      const [active, idle] = rows
      for (const { failures, measures, repeats } of rows) {
        assert.deepStrictEqual([repeats, failures], [1, []])
        assert.strictEqual(measures.wrong_bytes.median, 0)
      }
      // 40 MiB are cold, compressed to 24: what is left of them is saved. (More would take the guest's one CPU longer than there is to settle.)
      assert.isAbove(active.measures.saved_mib.median, 8)
      assert.isBelow(Math.abs(idle.measures.saved_mib.median), 5)
      // Both slots took their turns on the same counted clock.
      assert.isBelow(Math.abs(idle.measures.throughput_loss_pct.median), 10)
    },
    8 * minutes
  )

  it(
    "has nothing left to play when it is resumed",
    async () => {
      const { code, stderr, stdout } = await run(["lab", "league", "--resume", directory])
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /all 3 slots are played/)
      assert.match(stdout, /small +periodic:cold_age=4s/)
    },
    minutes
  )
})
