import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { generateProject, runCompile } from "../src/workloads/compile.ts"
import { gaussianKeys } from "../src/workloads/gaussianKeys.ts"
import { burstsPlan, minAge1Plan, minAge2Plan, runPhased } from "../src/workloads/phased.ts"
import { pacer } from "../src/workloads/pacer.ts"
import { phaseAt } from "../src/workloads/touchLoop.ts"
import { fillMemory, random, readCorpus } from "../src/workloads/verifiedMemory.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-workloads-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const corpus = process.execPath

describe("memory that can be verified", () => {
  it("finds a wrong word, and lets the first word of a page change", () => {
    const memory = fillMemory(20, corpus)
    for (let i = 0; i < 20; i++) memory.words[i * 1024] = i + 7
    assert.strictEqual(memory.wrongBytes(), 0)
    memory.words[5 * 1024 + 900]! ^= 1
    memory.words[7 * 1024 + 1]! += 1
    assert.strictEqual(memory.wrongBytes(), 2 * 4096)
  })
})

describe("seeds", () => {
  it("that differ are runs that differ, from the start", () => {
    const seeds = [...Array.from({ length: 1000 }, (_, index) => index - 500), 2 ** 31 - 1, -(2 ** 31)]
    assert.strictEqual(new Set(seeds.map((seed) => random(seed)())).size, seeds.length)
    assert.strictEqual(random(7)(), random(7)())
  })

  it("none of which stands still", () => {
    // The one seed that is mixed to 0, where the generator would stay.
    const next = random(-0x9e37_79b9)
    assert.strictEqual(new Set([next(), next(), next()]).size, 3)
  })
})

describe("the corpus", () => {
  const file = (bytes: number): string => {
    const path = join(scratch, `corpus-${bytes}`)
    writeFileSync(path, Buffer.alloc(bytes, "0123456789"))
    return path
  }

  it("of a small file is that file again and again, as long as is needed", () => {
    assert.isTrue(readCorpus(file(30)).equals(Buffer.alloc(65_536, "0123456789")))
    assert.isTrue(readCorpus(file(30), 100_000).equals(Buffer.alloc(100_000, "0123456789")))
    assert.isTrue(readCorpus(file(70_000), 131_072).equals(Buffer.concat([readCorpus(file(70_000)), readCorpus(file(70_000))])))
  })

  it("of one that is as long as is needed is pieces of it", () => {
    assert.strictEqual(readCorpus(file(300_000), 131_072).length, 4 * 65_536)
  })
})

describe("phases", () => {
  const mib = 2 ** 20

  it("of the first min_age scenario: all of it, then a tenth", () => {
    const plan = minAge1Plan({ bytes: 40 * mib, periodMs: 1000 })
    assert.deepStrictEqual(phaseAt(plan, 999).active, { start: 0, end: 10_240 })
    assert.deepStrictEqual(phaseAt(plan, 1000).active, { start: 0, end: 1024 })
    assert.deepStrictEqual(phaseAt(plan, 2000).active, { start: 0, end: 10_240 })
  })

  it("of the second: each of four regions in turn, and left alone for three periods", () => {
    const plan = minAge2Plan({ bytes: 40 * mib, periodMs: 1000 })
    const at = [0, 1000, 2000, 3000, 4000].map((ms) => phaseAt(plan, ms).active)
    assert.deepStrictEqual(
      at.map(({ start }) => start),
      [0, 2560, 5120, 7680, 0]
    )
    for (const { end, start } of at) assert.strictEqual(end - start, Math.floor(2560 * 0.95))
    assert.strictEqual(plan.pages, 10_240)
  })

  it("of bursts: the hot set all the time, the burst set once a period", () => {
    const plan = burstsPlan({ hotBytes: mib, burstBytes: 2 * mib, coldBytes: mib, everyMs: 500 })
    assert.deepStrictEqual(plan.scans, [{ start: 256, end: 768, everyMs: 500 }])
    assert.strictEqual(plan.pages, 1024)
  })

  it("run at full speed, keep count, and lose nothing", () => {
    const plan = burstsPlan({ hotBytes: 2 ** 16, burstBytes: 2 ** 16, coldBytes: 2 ** 16, everyMs: 5 })
    const order: Array<string> = []
    const result = runPhased(
      plan,
      { durationMs: 60, corpus, seed: 3, forgetEveryMs: 10 },
      () => order.push("loaded"),
      () => order.push("measured")
    )
    assert.deepStrictEqual(order, ["loaded", "measured"])
    assert.isAbove(result.operations, 0)
    assert.isAbove(result.scans, 0)
    assert.strictEqual(result.wrong_bytes, 0)
    assert.isAtLeast(result.p99_us, result.p50_us)
  })
})

describe("Gaussian keys", () => {
  it("lie around the middle, as the standard deviation says, the same for the same seed", () => {
    const draw = (seed: number) => {
      const next = gaussianKeys(100_000, 0.1, seed)
      return Array.from({ length: 20_000 }, next)
    }
    const keys = draw(1)
    assert.deepStrictEqual(draw(1), keys)
    assert.notDeepEqual(draw(2), keys)
    assert.isTrue(keys.every((key) => Number.isInteger(key) && key >= 0 && key < 100_000))
    const within = keys.filter((key) => Math.abs(key - 50_000) < 10_000).length / keys.length
    assert.closeTo(within, 0.683, 0.02)
  })

  it("stay inside the key space however wide they are", () => {
    const next = gaussianKeys(10, 5, 1)
    for (let i = 0; i < 1000; i++) assert.isTrue([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].includes(next()))
  })
})

describe("requests at a rate", () => {
  it("are due at their times, also those that are late, and are waited for", async () => {
    const startMs = performance.now() - 100
    const pace = pacer(20, startMs)
    for (let i = 0; i < 5; i++) assert.closeTo(await pace.next(), startMs + 20 * i, 1e-6)
    for (const laterMs of [100, 120, 140]) {
      assert.closeTo(pace.nextMs(), startMs + laterMs, 1e-6)
      const dueMs = await pace.next()
      assert.isAtMost(dueMs, startMs + laterMs)
      assert.isAbove(dueMs, startMs + laterMs - 5)
      assert.isAtLeast(performance.now(), dueMs)
    }
  })

  it("come as fast as they are answered where there is no rate", async () => {
    const pace = pacer(1000 / 0, 0)
    const beforeMs = performance.now()
    for (let i = 0; i < 3; i++) {
      assert.isBelow(pace.nextMs(), beforeMs)
      assert.isAtLeast(await pace.next(), beforeMs)
    }
  })
})

describe("the C project of the compile job", () => {
  it("is the same for the same seed, and names every file in its Makefile", () => {
    const options = { files: 3, functions: 2, seed: 5, compiler: "cc" }
    const project = generateProject(options)
    assert.deepStrictEqual(generateProject(options), project)
    assert.notStrictEqual(generateProject({ ...options, seed: 6 }).output, project.output)
    assert.match(project.output, /^\d+\n$/)
    const makefile = project.files.get("Makefile")!
    for (const name of ["unit0.o", "unit1.o", "unit2.o", "main.o"]) assert.include(makefile, name)
  })

  it("computes on unsigned 32 bits, as C does", () => {
    const next = random(5)
    const [start, factor, rounds] = [next(), next() | 1, 3 + (next() % 14)]
    let value = BigInt(start)
    for (let i = 0; i < rounds; i++) value = ((value * BigInt(factor >>> 0)) & 0xffff_ffffn) ^ (value >> 7n)
    assert.strictEqual(generateProject({ files: 1, functions: 1, seed: 5, compiler: "cc" }).output, `${value}\n`)
  })
})

describe("the compile job", () => {
  const project = { files: 2, functions: 1, seed: 5 }

  /** Takes its time over each file; what it links prints what the project would. */
  const slowCompiler = (): string => {
    const path = join(scratch, "slow-compiler")
    const { output } = generateProject({ ...project, compiler: path })
    const link = `printf '#!/bin/sh\\necho ${output.trim()}\\n' > program; chmod +x program`
    writeFileSync(
      path,
      `#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nif [ "$2" = program ]; then ${link}; else sleep 0.4; : > "$2"; fi\n`
    )
    chmodSync(path, 0o755)
    return path
  }

  it("counts builds that were not cut off, finishes the last one for its program, and removes its files", async () => {
    const temporary = mkdtempSync(join(scratch, "tmp-"))
    const before = process.env["TMPDIR"]
    process.env["TMPDIR"] = temporary
    try {
      const run = (jobs: number, durationMs: number) =>
        runCompile(
          { ...project, compiler: slowCompiler(), jobs, durationMs },
          () => {},
          () => {},
          new AbortController().signal
        )
      const cutOff = await run(1, 600)
      assert.deepStrictEqual([cutOff.builds, cutOff.wrong_bytes], [0, 0])
      assert.isAtMost(cutOff.operations, 1)
      const whole = await run(3, 2000)
      assert.isAtLeast(whole.builds, 1)
      assert.isAtMost(whole.builds, 4)
      assert.deepStrictEqual(readdirSync(temporary), [])
    } finally {
      if (before === undefined) delete process.env["TMPDIR"]
      else process.env["TMPDIR"] = before
    }
  })
})
