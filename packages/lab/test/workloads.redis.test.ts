/** The client of the Redis workload, against servers that say right and wrong things: through its connection, in pieces of every kind. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, assert, describe, it } from "@effect/vitest"
import { type RedisOptions, type RedisResult, runRedis } from "../src/workloads/redis.ts"
import { type Batch, ConnectionLost, makeBatch, type RedisConnection, redisConnection } from "../src/workloads/redisProtocol.ts"
import { readCorpus } from "../src/workloads/verifiedMemory.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-workloads-redis-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let sockets = 0

const source = { corpus: readCorpus(process.execPath), bytes: 100 }
const getReplyBytes = "$100\r\n".length + 100 + 2

/** What was asked: name, key and value of each command. */
const commandsOf = (request: string): ReadonlyArray<ReadonlyArray<string>> => {
  const commands: Array<ReadonlyArray<string>> = []
  let rest = request
  while (rest !== "") {
    const count = Number(/^\*(\d)\r\n/.exec(rest)![1])
    rest = rest.slice(4)
    const parts: Array<string> = []
    for (let i = 0; i < count; i++) {
      const length = /^\$(\d+)\r\n/.exec(rest)!
      parts.push(rest.slice(length[0].length, length[0].length + Number(length[1])))
      rest = rest.slice(length[0].length + Number(length[1]) + 2)
    }
    commands.push(parts)
  }
  return commands
}

const bulk = (value: string | undefined): string => (value === undefined ? "$-1\r\n" : `$${value.length}\r\n${value}\r\n`)

/** What a server with this store says, reply by reply. */
const answers = (store: Map<string, string>, request: string): ReadonlyArray<string> =>
  commandsOf(request).map(([name, key, value]) => {
    if (name === "GET") return bulk(store.get(key!))
    store.set(key!, value!)
    return "+OK\r\n"
  })

/** A connection to a server that does this with each request. Requests are smaller than what a socket gives at once. */
const served = async <A>(onRequest: (socket: Socket, request: string) => void, use: (connection: RedisConnection) => Promise<A>) => {
  const path = join(scratch, `socket-${sockets++}`)
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on("data", (piece) => onRequest(socket, piece.toString("latin1")))
    socket.on("error", () => {})
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const connection = redisConnection(connect(path))
  try {
    return await use(connection)
  } finally {
    connection.close()
    server.close()
  }
}

/** Says this in two pieces. */
const inTwo = async (socket: Socket, text: string, cut: number): Promise<void> => {
  const bytes = Buffer.from(text, "latin1")
  if (cut > 0) socket.write(bytes.subarray(0, cut))
  // The other side reads the first piece before there is a second one.
  if (cut > 0) await new Promise((resolve) => setTimeout(resolve, 2))
  socket.write(bytes.subarray(cut))
}

const filled = (fill: (batch: Batch) => void): Batch => {
  const batch = makeBatch(8, source)
  batch.clear()
  fill(batch)
  return batch
}
const set = (...keys: ReadonlyArray<number>) => filled((batch) => keys.forEach((key) => batch.set(key, 0)))
const get = (...keys: ReadonlyArray<number>) => filled((batch) => keys.forEach((key) => batch.get(key, 0)))

const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error("it did not fail"),
    (error: Error) => error
  )

describe("a connection to Redis", () => {
  const stored = (keys: ReadonlyArray<number>): Map<string, string> => {
    const store = new Map<string, string>()
    answers(
      store,
      set(...keys)
        .request()
        .toString("latin1")
    )
    return store
  }
  const honest = (store: Map<string, string>) => (socket: Socket, request: string) =>
    void socket.write(answers(store, request).join(""), "latin1")

  it("gets what was set, at the version that was set last", async () => {
    const store = new Map<string, string>()
    const wrong = await served(honest(store), (connection) =>
      connection.exchange(
        filled((batch) => {
          batch.set(7, 0)
          batch.set(8, 0)
          batch.get(7, 0)
          batch.set(7, 1)
          batch.get(7, 1)
        })
      )
    )
    assert.isUndefined(wrong)
    assert.strictEqual(store.size, 2)
    assert.notStrictEqual(store.get("key:000000007"), store.get("key:000000008"))
  })

  it("tells a value of another version, of another key, a flipped bit, a missing one, a short one, and goes on", async () => {
    const store = stored([6, 7, 8, 9, 10])
    const value = store.get("key:000000007")!
    store.set("key:000000008", value)
    store.set("key:000000009", `${value.slice(0, 60)}${value[60] === "a" ? "b" : "a"}${value.slice(61)}`)
    store.set("key:000000010", value.slice(0, 50))
    await served(honest(store), async (connection) => {
      assert.match((await connection.exchange(filled((batch) => batch.get(7, 1))))!.got, /^\$100\r\nkey:000000007:000:/)
      for (const key of [8, 9, 10, 11]) assert.strictEqual((await connection.exchange(get(key)))?.bytes, getReplyBytes, `key ${key}`)
      assert.deepStrictEqual(await connection.exchange(get(6, 11, 7, 10)), { bytes: 2 * getReplyBytes, got: "$-1\r\n" })
      assert.isUndefined(await connection.exchange(get(6, 7)))
    })
  })

  it("takes replies in pieces, cut wherever they may be: right ones, nil, and as many bytes as expected but others", async () => {
    const store = stored([1, 2])
    const one = store.get("key:000000001")!
    // With a nil the second value is as much longer as the nil is shorter.
    const evened = `$-1\r\n${bulk("x".repeat(getReplyBytes - "$-1\r\n".length + 100))}`
    const cases = [
      { said: bulk(one) + bulk(store.get("key:000000002")), wrongBytes: 0 },
      { said: `$-1\r\n${bulk(store.get("key:000000002"))}`, wrongBytes: getReplyBytes },
      { said: `${bulk(one)}$-1\r\n`, wrongBytes: getReplyBytes },
      { said: evened, wrongBytes: 2 * getReplyBytes }
    ]
    assert.strictEqual(evened.length, 2 * getReplyBytes)
    for (const { said, wrongBytes } of cases) {
      let cut = 0
      await served(
        (socket) => void inTwo(socket, said, cut),
        async (connection) => {
          for (; cut < said.length; cut++) {
            const wrong = await connection.exchange(get(1, 2))
            assert.strictEqual(wrong?.bytes ?? 0, wrongBytes, `${JSON.stringify(said.slice(0, 20))} cut at ${cut}`)
          }
        }
      )
    }
  })

  it("passes on what the server complains of, first or late, cut wherever it may be", async () => {
    const complaint = "-OOM command not allowed\r\n"
    const value = bulk(stored([1]).get("key:000000001"))
    for (const said of [complaint, value + complaint, `${value}$-1\r\n${complaint}`]) {
      for (let cut = 0; cut < said.length; cut += said.length - cut > 40 ? 20 : 1) {
        const error = await served(
          (socket) => void inTwo(socket, said, cut),
          (connection) => rejection(connection.exchange(get(1, 2, 3, 4)))
        )
        assert.strictEqual(error.message, "redis-server says: OOM command not allowed")
      }
    }
  })

  it("does not take what is no reply, or more than was asked", async () => {
    const saidTo = (said: string) =>
      served(
        (socket) => void socket.write(said),
        (connection) => rejection(connection.exchange(get(1)))
      )
    assert.match((await saidTo("HTTP/1.1 400 Bad Request\r\n")).message, /no reply to GET or SET: "HTTP/)
    assert.match((await saidTo("$x\r\n")).message, /no reply to GET or SET/)
    assert.match((await saidTo("x".repeat(3000))).message, /no reply to GET or SET/)
    assert.match((await saidTo("$-1\r\n$-1\r\n")).message, /more than it was asked/)
  })

  it("notices that the server went away, during an exchange or between two", async () => {
    const during = await served(
      (socket) => socket.destroy(),
      (connection) => rejection(connection.exchange(get(1)))
    )
    assert.instanceOf(during, ConnectionLost)
    assert.strictEqual(during.message, "redis-server closed the connection")
    const between = await served(
      (socket) => socket.end("$-1\r\n"),
      async (connection) => {
        assert.isDefined(await connection.exchange(get(1)))
        await new Promise((resolve) => setTimeout(resolve, 50))
        return rejection(connection.exchange(get(1)))
      }
    )
    assert.instanceOf(between, ConnectionLost)
  })
})

describe("the Redis workload, with a server that is started for it", () => {
  const server = join(scratch, "fake-redis-server")
  writeFileSync(server, `#!/bin/sh\nexec '${process.execPath}' '${join(import.meta.dirname, "fakeRedis.mjs")}' "$@"\n`)
  chmodSync(server, 0o755)
  const pidFile = join(scratch, "pid")
  const environment = { ...process.env }
  afterEach(() => {
    process.env = { ...environment }
  })

  const usual: RedisOptions = {
    keys: 100,
    valueBytes: 100,
    sigma: 0.2,
    writes: 0.5,
    pipeline: 8,
    rate: 0,
    durationMs: 300,
    corpus: process.execPath,
    seed: 2,
    server,
    serverGroup: undefined
  }

  /** Runs it; whatever comes of it, the server has to be gone, and its directory. */
  const run = async (
    options: Partial<RedisOptions>,
    env: Readonly<Record<string, string>> = {},
    onLoaded = () => {},
    signal = new AbortController().signal
  ): Promise<RedisResult> => {
    const temporary = mkdtempSync(join(scratch, "tmp-"))
    Object.assign(process.env, { TMPDIR: temporary, FAKE_REDIS_PID: pidFile }, env)
    try {
      return await runRedis({ ...usual, ...options }, onLoaded, () => {}, signal)
    } finally {
      assert.deepStrictEqual(readdirSync(temporary), [])
      assert.isFalse(existsSync(`/proc/${readFileSync(pidFile, "utf8")}`))
    }
  }

  it("gets back what it has written, until the time is up", async () => {
    const result = await run({})
    assert.strictEqual(result.wrong_bytes, 0)
    assert.isAbove(result.operations, 0)
    assert.closeTo(result.writes / result.operations, 0.5, 0.2)
    assert.isAtLeast(result.seconds, 0.3)
  })

  it("says how much is lost", async () => {
    const result = await run({ writes: 0 }, { FAKE_REDIS_FORGETS: "1" })
    assert.isAbove(result.wrong_bytes, 99 * getReplyBytes)
  })

  it("does not wait for what is due after the end, and lasts as long as it was told to", async () => {
    const before = performance.now()
    const result = await run({ rate: 1, durationMs: 1000 })
    assert.isBelow(performance.now() - before, 6000)
    assert.strictEqual(result.operations, 8)
    assert.closeTo(result.seconds, 1, 0.5)
    assert.strictEqual(result.operations_by_second[0], 8)
    assert.strictEqual(result.wrong_bytes, 0)
  })

  it("takes values that are larger than the corpus", async () => {
    const corpus = join(scratch, "small-corpus")
    writeFileSync(corpus, "some text\n".repeat(100))
    const result = await run({ corpus, valueBytes: 128 * 1024, keys: 4, pipeline: 2 })
    assert.strictEqual(result.wrong_bytes, 0)
  })

  it.each([
    ["at the start", "start", {}],
    ["under load", "300", { durationMs: 60_000 }],
    ["between two requests", "300", { durationMs: 60_000, rate: 8 / 60 }]
  ] as const)("says so when the server is killed %s", async (_, killed, options) => {
    const before = performance.now()
    const { message } = await rejection(run(options, { FAKE_REDIS_KILLED: killed }))
    assert.match(message, /^redis-server was killed \(SIGKILL\), perhaps for want of memory: raise the limit/)
    assert.isBelow(performance.now() - before, 10_000)
  })

  it("ends at once when it is told to, with its server", async () => {
    const stop = new AbortController()
    const before = performance.now()
    const error = await rejection(run({ durationMs: 60_000 }, {}, () => stop.abort(new Error("told to")), stop.signal))
    assert.strictEqual(error.message, "told to")
    assert.isBelow(performance.now() - before, 10_000)
  })
})
