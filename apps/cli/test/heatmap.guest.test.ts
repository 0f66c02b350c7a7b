/**
 * `wmo heatmap` on a real kernel, as root in the VM's guest: a process whose pattern is known, told apart by what was recorded; its live view
 * in tmux; DAMON as it was afterwards. On kernels without DAMON (Debian's 6.1): ages in its place.
 */
import "../../../tooling/inGuest.ts"
import { openRecording } from "@wmo/recording"
import { Effect, Stream } from "effect"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { hasTmux, Tmux } from "./tmux.ts"

const bundle = join(process.env["WMO_TEST_DIST"] ?? join(import.meta.dirname, "../dist"), "wmo.js")
const scratch = mkdtempSync(join(tmpdir(), "wmo-heatmap-"))
const state = join(scratch, "state")
const admin = "/sys/kernel/mm/damon/admin/kdamonds"
const hasDamon = existsSync(admin)
const page = 4096

interface Places {
  readonly pid: number
  readonly stride_pages: number
  readonly hot: { readonly start: string; readonly end: string }
  readonly strided: { readonly start: string; readonly end: string }
  readonly idle: { readonly start: string; readonly end: string }
}

const wmo = (...args: ReadonlyArray<string>): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [bundle, ...args], { env: { ...process.env, WMO_STATE_DIR: state } }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    )
  })

let workload: ChildProcess
let places: Places

beforeAll(async () => {
  workload = spawn(process.execPath, [bundle, "workload", "pattern", "--bytes", "96M", "--duration", "10m"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  places = await new Promise((resolve) => workload.stdout!.once("data", (line) => resolve(JSON.parse(String(line)))))
})
afterAll(() => {
  workload.kill("SIGKILL")
  rmSync(scratch, { recursive: true, force: true })
})

/** Which third each page of the pattern looks like, by the mean of what was recorded of it. */
const classify = (file: string) =>
  Effect.gen(function* () {
    const recording = yield* openRecording(file)
    const [run] = yield* recording.runs
    const from = BigInt(places.hot.start)
    const pages = Number(BigInt(places.idle.end) - from) / page
    const heat = new Float64Array(pages)
    const looks = new Float64Array(pages)
    yield* Stream.runForEach(recording.entries(run!.id, "heat"), ({ aggregationUs, regions, sampleUs }) =>
      Effect.sync(() => {
        for (const { accesses, end, start } of regions) {
          const to = Math.min(pages, Number(end - from) / page)
          for (let i = Math.max(0, Number(start - from) / page); i < to; i++) {
            heat[i]! += (accesses * sampleUs) / aggregationUs
            looks[i]!++
          }
        }
      })
    )
    const third = pages / 3
    let right = 0
    const sums = [0, 0, 0]
    for (let i = 0; i < pages; i++) {
      const share = heat[i]! / looks[i]!
      const is = Math.floor(i / third)
      sums[is]! += share / third
      // A stride of four: a quarter of the looks.
      if ((share > 0.6 ? 0 : share > 0.06 ? 1 : 2) === is) right++
    }
    return { right: right / pages, means: sums }
  }).pipe(Effect.scoped, Effect.runPromise)

const nothingIsLeft = (): void => {
  assert.strictEqual(readFileSync(`${admin}/nr_kdamonds`, "utf8").trim(), "0")
}

describe.skipIf(!hasDamon)("wmo heatmap with DAMON", () => {
  it("tells a hot, a strided and an idle third apart: at least 95 % of bytes right after 20 s", async () => {
    const file = join(scratch, "pattern.wmo")
    const args = ["--sample", "20ms", "--aggregation", "200ms", "--min-regions", "200", "--for", "20s", "--rows", "40"]
    const { code, stderr, stdout } = await wmo("heatmap", "--pid", String(places.pid), "--once", "--record", file, ...args)
    assert.strictEqual(code, 0, stderr)
    console.log(stdout)
    const { means, right } = await classify(file)
    console.log(
      `pattern: ${(right * 100).toFixed(1)} % of bytes right; hot ${means[0]!.toFixed(3)}, strided ${means[1]!.toFixed(3)}, idle ${means[2]!.toFixed(3)}`
    )
    assert.isAtLeast(right, 0.95)
    assert.closeTo(means[1]! / means[0]!, 1 / places.stride_pages, 0.1)
    nothingIsLeft()
  })

  it("leaves alone what somebody has set up, and says who", async () => {
    writeFileSync(`${admin}/nr_kdamonds`, "1")
    const { code, stderr } = await wmo("heatmap", "--pid", String(places.pid), "--once", "--for", "1s")
    assert.strictEqual(code, 1)
    assert.match(stderr, /^wmo: DAMON is in use by somebody: kdamond 0 \(off\); .*--take-over/)
    assert.strictEqual(readFileSync(`${admin}/nr_kdamonds`, "utf8").trim(), "1")
    writeFileSync(`${admin}/nr_kdamonds`, "0")
  })

  it("physical memory", async () => {
    const { code, stderr, stdout } = await wmo("heatmap", "--paddr", "--json", "--for", "2s")
    assert.strictEqual(code, 0, stderr)
    const [subject] = JSON.parse(stdout).subjects
    assert.isAbove(subject.total_bytes, 512 * 2 ** 20)
    assert.isAbove(Math.max(...subject.rows.map(({ mean }: { mean: number }) => mean)), 0)
    nothingIsLeft()
  })

  if (!hasTmux) console.warn("SKIPPED: the live view in a real terminal: there is no tmux here")
  it.skipIf(!hasTmux)("the live view in tmux: it moves, takes keys, and q gives terminal and DAMON back", async () => {
    const tmux = new Tmux(110, 40, { WMO_STATE_DIR: state })
    try {
      tmux.type(
        `${process.execPath} ${bundle} heatmap --pid ${places.pid} --sample 20ms --aggregation 200ms --min-regions 200; echo "exit $?"`
      )
      const address = BigInt(places.hot.start).toString(16).slice(0, 4)
      await tmux.until((screen) => new RegExp(`^${address}\\w+ A│ .*9{3}│`, "m").test(screen), "the hot third is hot, for some seconds")
      console.log(tmux.screen())
      assert.strictEqual(readFileSync(`${admin}/0/state`, "utf8").trim(), "on")
      tmux.keys("a")
      await tmux.until((screen) => new RegExp(`^${address}\\w+ A│[^│]*AA`, "m").test(screen), "kinds")
      tmux.resize(80, 24)
      await tmux.until((screen) => screen.split("\n").length <= 24 && screen.includes("q quit"), "smaller")
      tmux.keys("q")
      await tmux.until((screen) => screen.includes("exit 0"), "its end")
      assert.isFalse(tmux.isOnAlternateScreen())
      assert.isTrue(tmux.isCursorShown())
      nothingIsLeft()
    } finally {
      tmux.close()
    }
  })
})

describe.skipIf(hasDamon)("wmo heatmap without DAMON", () => {
  it("shows ages of the whole group by MGLRU, and says so", async () => {
    const enabled = "/sys/kernel/mm/lru_gen/enabled"
    const before = readFileSync(enabled, "utf8").trim()
    try {
      writeFileSync(enabled, "n")
      const off = await wmo("heatmap", "--pid", String(places.pid), "--once", "--for", "1s")
      assert.strictEqual(off.code, 3)
      assert.match(off.stderr, /MGLRU is off: switch it on with `echo y > /)
      writeFileSync(enabled, "y")
      const { code, stderr, stdout } = await wmo("heatmap", "--pid", String(places.pid), "--once", "--for", "8s", "--age-every", "2s")
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /no DAMON in sysfs .*: ages of the whole cgroup .*, by MGLRU: how long memory has been idle, not which/)
      assert.match(stdout, /^cgroup .* · MGLRU generations of cgroup .*, a new one every 2 s$/m)
      console.log(stdout)
      // What is now in use is none now and then, just after a new generation: the last column may be empty, not all of them.
      assert.match(stdout, /^ +in use [AFM ]│[^│]*\d[^│]*│/m)
      assert.match(stdout, /^ +(in use|≥ [\d.]+ s) [AFM]│[^│]*\d│.* now$/m)
    } finally {
      writeFileSync(enabled, before)
    }
  })
})
