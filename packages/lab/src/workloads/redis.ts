/**
 * Redis under load: starts redis-server on a Unix socket, fills it with values of real content, then asks for keys that are normally
 * distributed, in batches, at full speed from one connection; some requests write. Every value that comes back is compared with what was
 * written. Needs redis-server (Debian: `redis-server`). Nothing is saved to disk.
 */
import type { Milliseconds } from "@wmo/core"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createHistogram } from "node:perf_hooks"
import { gaussianKeys } from "./gaussianKeys.ts"
import { bulkReply, encodeCommand, okReply, redisConnection, type RedisConnection, type WrongReply } from "./redisProtocol.ts"
import { random, readCorpus } from "./verifiedMemory.ts"

export interface RedisOptions {
  readonly keys: number
  readonly valueBytes: number
  /** Of the key space; see `gaussianKeys`. */
  readonly sigma: number
  /** Share of requests that write, 0 to 1. */
  readonly writes: number
  /** Requests in one batch. */
  readonly pipeline: number
  readonly durationMs: Milliseconds
  readonly corpus: string
  readonly seed: number
  /** Default `redis-server`, on PATH. */
  readonly server: string
}

/** An operation is a request; latency is of a batch. */
export interface RedisResult {
  readonly operations: number
  readonly operations_per_second: number
  readonly seconds: number
  readonly operations_by_second: ReadonlyArray<number>
  readonly measured_from_ms: number
  readonly p50_us: number
  readonly p99_us: number
  readonly p999_us: number
  readonly keys: number
  readonly writes: number
  readonly wrong_bytes: number
}

const startupMs = 30_000

const connected = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once("connect", () => resolve(socket))
    socket.once("error", reject)
  })

const connectSoon = async (path: string, server: ChildProcess): Promise<Socket> => {
  const giveUp = performance.now() + startupMs
  for (;;) {
    try {
      return await connected(path)
    } catch (error) {
      if (server.exitCode !== null) throw new Error(`redis-server ended at once, with exit code ${server.exitCode}`, { cause: error })
      if (performance.now() > giveUp) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

const started = (program: string, socket: string, directory: string): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const server = spawn(
      program,
      ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", directory, "--loglevel", "warning"],
      { stdio: "ignore" }
    )
    server.once("spawn", () => resolve(server))
    server.once("error", (error) =>
      reject(
        (error as NodeJS.ErrnoException).code === "ENOENT"
          ? new Error(`there is no ${program}: install it (Debian: apt-get install --no-install-recommends redis-server)`)
          : error
      )
    )
  })

const keyName = (key: number): string => `key:${String(key).padStart(9, "0")}`

/** The value of a key and version: a piece of the corpus that starts with both, so that no two are the same. */
export const valueOf = (corpus: Buffer, bytes: number, key: number, version: number): Buffer => {
  const value = Buffer.allocUnsafe(bytes)
  const from = (key * 1699 + version * 509) % Math.max(1, corpus.length - bytes)
  corpus.copy(value, 0, from, from + bytes)
  value.write(`${keyName(key)}:${version}:`, 0, "latin1")
  return value
}

const get = (key: number) => encodeCommand(["GET", keyName(key)])
const set = (key: number, value: Buffer) => encodeCommand(["SET", keyName(key), value])

/** Loads every key once, in order. */
const load = async (connection: RedisConnection, options: RedisOptions, corpus: Buffer): Promise<void> => {
  for (let first = 0; first < options.keys; first += 256) {
    const keys = Array.from({ length: Math.min(256, options.keys - first) }, (_, i) => first + i)
    const request = Buffer.concat(keys.map((key) => set(key, valueOf(corpus, options.valueBytes, key, 0))))
    const expected = keys.map(() => okReply)
    const wrong = await connection.exchange(request, expected)
    if (wrong !== undefined) throw new Error(`redis-server did not take a value: ${wrong.got.trim()}`)
  }
}

/** Starts the server, loads, runs for `durationMs`, reads every key once more, ends the server. */
export const runRedis = async (
  options: RedisOptions,
  onLoaded: () => void,
  onMeasured: (result: RedisResult) => void
): Promise<RedisResult> => {
  const directory = mkdtempSync(join(tmpdir(), "wmo-redis-"))
  const path = join(directory, "socket")
  let server: ChildProcess | undefined
  try {
    server = await started(options.server, path, directory)
    const connection = redisConnection(await connectSoon(path, server))
    const corpus = readCorpus(options.corpus)
    await load(connection, options, corpus)
    onLoaded()
    const result = await measure(connection, options, corpus, onMeasured)
    connection.close()
    return result
  } finally {
    if (server !== undefined && server.exitCode === null) {
      const ended = new Promise((resolve) => server!.once("exit", resolve))
      server.kill("SIGKILL")
      await ended
    }
    rmSync(directory, { recursive: true, force: true })
  }
}

const measure = async (
  connection: RedisConnection,
  options: RedisOptions,
  corpus: Buffer,
  onMeasured: (result: RedisResult) => void
): Promise<RedisResult> => {
  const nextKey = gaussianKeys(options.keys, options.sigma, options.seed)
  const next = random(options.seed + 1)
  const isWrite = () => next() / 2 ** 32 < options.writes
  const versions = new Uint8Array(options.keys)
  const latency = createHistogram({ lowest: 1, highest: 60_000_000_000, figures: 3 })
  const bySecond: Array<number> = []
  let wrongBytes = 0
  let firstWrong: WrongReply | undefined
  const check = (wrong: WrongReply | undefined) => {
    wrongBytes += wrong?.bytes ?? 0
    firstWrong ??= wrong
  }
  let operations = 0
  let before = 0
  let writes = 0
  const measuredFromMs = Date.now()
  const start = performance.now()
  let second = start + 1000
  let now = start
  while (now < start + options.durationMs) {
    const requests: Array<Buffer> = []
    const expected: Array<Buffer> = []
    for (let i = 0; i < options.pipeline; i++) {
      const key = nextKey()
      if (isWrite()) {
        versions[key] = (versions[key]! + 1) & 255
        requests.push(set(key, valueOf(corpus, options.valueBytes, key, versions[key])))
        expected.push(okReply)
        writes++
      } else {
        requests.push(get(key))
        expected.push(bulkReply(valueOf(corpus, options.valueBytes, key, versions[key]!)))
      }
    }
    const request = Buffer.concat(requests)
    const sent = performance.now()
    check(await connection.exchange(request, expected))
    now = performance.now()
    latency.record(Math.max(1, Math.round((now - sent) * 1e6)))
    operations += options.pipeline
    for (; now >= second; second += 1000) {
      bySecond.push(operations - before)
      before = operations
    }
  }
  const seconds = (now - start) / 1000
  const measured: RedisResult = {
    operations,
    operations_per_second: operations / seconds,
    seconds,
    operations_by_second: bySecond,
    measured_from_ms: measuredFromMs,
    p50_us: latency.percentile(50) / 1000,
    p99_us: latency.percentile(99) / 1000,
    p999_us: latency.percentile(99.9) / 1000,
    keys: options.keys,
    writes,
    wrong_bytes: wrongBytes
  }
  onMeasured(measured)
  for (let first = 0; first < options.keys; first += 256) {
    const keys = Array.from({ length: Math.min(256, options.keys - first) }, (_, i) => first + i)
    const expected = keys.map((key) => bulkReply(valueOf(corpus, options.valueBytes, key, versions[key]!)))
    check(await connection.exchange(Buffer.concat(keys.map(get)), expected))
  }
  if (firstWrong !== undefined) console.error(`redis: the first wrong reply began ${JSON.stringify(firstWrong.got)}`)
  return { ...measured, wrong_bytes: wrongBytes }
}
