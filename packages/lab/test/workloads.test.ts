import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect } from "node:net"
import { mkdtempSync, rmSync } from "node:fs"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { generateProject } from "../src/workloads/compile.ts"
import { gaussianKeys } from "../src/workloads/gaussianKeys.ts"
import { burstsPlan, minAge1Plan, minAge2Plan, runPhased } from "../src/workloads/phased.ts"
import { pacer } from "../src/workloads/pacer.ts"
import { makeBatch, redisConnection } from "../src/workloads/redisProtocol.ts"
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

describe("Redis's protocol", () => {
  const source = { corpus: readCorpus(corpus), bytes: 100 }

  /** What a server would answer: it understands just these two commands. */
  const answer = (store: Map<string, string>, request: string): string => {
    let rest = request
    let replies = ""
    while (rest !== "") {
      const count = Number(/^\*(\d)\r\n/.exec(rest)![1])
      rest = rest.slice(4)
      const parts: Array<string> = []
      for (let i = 0; i < count; i++) {
        const length = /^\$(\d+)\r\n/.exec(rest)!
        parts.push(rest.slice(length[0].length, length[0].length + Number(length[1])))
        rest = rest.slice(length[0].length + Number(length[1]) + 2)
      }
      const [name, key, value] = parts
      if (name === "SET") store.set(key!, value!)
      const stored = store.get(key!)
      replies += name === "SET" ? "+OK\r\n" : stored === undefined ? "$-1\r\n" : `$${stored.length}\r\n${stored}\r\n`
    }
    return replies
  }

  const exchange = (store: Map<string, string>, fill: (batch: ReturnType<typeof makeBatch>) => void) => {
    const batch = makeBatch(8, source)
    batch.clear()
    fill(batch)
    const replies = Buffer.from(answer(store, batch.request().toString("latin1")), "latin1")
    return { batch, replies, wrong: batch.check(replies) }
  }

  it("gets what was set, at the version that was set last", () => {
    const store = new Map<string, string>()
    const first = exchange(store, (batch) => {
      batch.set(7, 0)
      batch.set(8, 0)
      batch.get(7, 0)
      batch.set(7, 1)
      batch.get(7, 1)
    })
    assert.isUndefined(first.wrong)
    assert.strictEqual(first.replies.length, first.batch.replyBytes())
    assert.strictEqual(store.size, 2)
    assert.notStrictEqual(store.get("key:000000007"), store.get("key:000000008"))
  })

  it("tells a value of another version, another key, a flipped bit, a missing value", () => {
    const store = new Map<string, string>()
    exchange(store, (batch) => batch.set(7, 0))
    assert.match(exchange(store, (batch) => batch.get(7, 1)).wrong!.got, /^\$100\r\nkey:000000007:000:/)
    const value = store.get("key:000000007")!
    store.set("key:000000008", value)
    assert.isDefined(exchange(store, (batch) => batch.get(8, 0)).wrong)
    store.set("key:000000007", `${value.slice(0, 60)}${value[60] === "a" ? "b" : "a"}${value.slice(61)}`)
    const flipped = exchange(store, (batch) => {
      batch.get(7, 0)
      batch.get(7, 0)
    })
    assert.strictEqual(flipped.wrong!.bytes, flipped.batch.replyBytes())
    assert.isDefined(exchange(new Map(), (batch) => batch.get(7, 0)).wrong)
  })

  const serve = async <A>(reply: string, use: (connection: ReturnType<typeof redisConnection>) => Promise<A>): Promise<A> => {
    const path = join(scratch, `socket-${reply.length}`)
    const server = createServer((socket) => socket.on("data", () => (reply === "" ? socket.destroy() : socket.write(reply))))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const connection = redisConnection(connect(path))
    try {
      return await use(connection)
    } finally {
      connection.close()
      server.close()
    }
  }
  const rejection = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "it did not fail",
      (error: Error) => error.message
    )
  const asking = () => {
    const batch = makeBatch(8, source)
    batch.get(1, 0)
    return batch
  }

  it("passes on what the server complains of", async () => {
    const said = await serve("-OOM command not allowed\r\n", (connection) => rejection(connection.exchange(asking())))
    assert.strictEqual(said, "redis-server says: OOM command not allowed")
  })

  it("notices that the server went away", async () => {
    assert.strictEqual(await serve("", (connection) => rejection(connection.exchange(asking()))), "redis-server closed the connection")
  })
})

describe("requests at a rate", () => {
  it("are due at their times, also those that are late, and are waited for", async () => {
    const startMs = performance.now() - 100
    const due = pacer(20, startMs)
    for (let i = 0; i < 5; i++) assert.closeTo(await due(), startMs + 20 * i, 1e-6)
    for (const laterMs of [100, 120, 140]) {
      const dueMs = await due()
      assert.isAtMost(dueMs, startMs + laterMs)
      assert.isAbove(dueMs, startMs + laterMs - 5)
      assert.isAtLeast(performance.now(), dueMs)
    }
  })

  it("come as fast as they are answered where there is no rate", async () => {
    const due = pacer(1000 / 0, 0)
    const beforeMs = performance.now()
    for (let i = 0; i < 3; i++) assert.isAtLeast(await due(), beforeMs)
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
