/** `wmo workload pattern` as a process: where it says that its thirds are, they are. */
import { execFile, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const main = join(import.meta.dirname, "../src/main.ts")
const mib = 2 ** 20

describe("wmo workload pattern", () => {
  it("tells the addresses of three equal, page-aligned thirds of resident anonymous memory, at once", async () => {
    const child = spawn(process.execPath, [main, "workload", "pattern", "--bytes", "12M", "--duration", "1m"], {
      stdio: ["ignore", "pipe", "ignore"]
    })
    try {
      const line = await new Promise<string>((resolve) => child.stdout.once("data", (chunk) => resolve(String(chunk))))
      const places = JSON.parse(line)
      assert.strictEqual(places.pid, child.pid)
      const edges = [places.hot, places.strided, places.idle].flatMap(({ end, start }) => [BigInt(start), BigInt(end)])
      const first = edges[0]!
      assert.deepStrictEqual(
        edges.map((edge) => Number(edge - first) / mib),
        [0, 4, 4, 8, 8, 12]
      )
      assert.strictEqual(first % 4096n, 0n)
      const mapping = readFileSync(`/proc/${child.pid}/smaps`, "latin1")
        .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
        .find((text) => {
          const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *(?:\[heap\])?\n/.exec(text) ?? []
          return from !== undefined && BigInt(`0x${from}`) <= first && BigInt(`0x${to}`) >= edges[5]!
        })
      assert.isAtLeast(Number(/^Rss: +(\d+) kB$/m.exec(mapping!)![1]), 12 * 1024)
    } finally {
      child.kill("SIGKILL")
    }
  })

  it("ends after its time, and says what it did", async () => {
    const args = ["workload", "pattern", "--bytes", "3M", "--duration", "200ms", "--json"]
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...args])
    const [places, result] = stdout
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text))
    assert.strictEqual(places.stride_pages, 4)
    assert.isAbove(result.passes, 0)
    assert.strictEqual(result.operations, result.passes * (256 + 64))
  })
})
