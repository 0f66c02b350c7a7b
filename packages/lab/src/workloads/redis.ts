/**
 * Redis under load: starts redis-server on a Unix socket, fills it with values of real content, then asks for keys that are normally
 * distributed, in batches, from one connection, at full speed or at a rate; some requests write. Every value that comes back is compared with what was
 * written. Needs redis-server (Debian: `redis-server`). Nothing is saved to disk. The server may have a cgroup of its own, so that what is measured
 * there is the server and not its client.
 */
import type { Milliseconds } from "@wmo/core"
import { type ChildProcess, spawn } from "node:child_process"
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createHistogram } from "node:perf_hooks"
import type { OperationsResult } from "./OperationsResult.ts"
import { gaussianKeys } from "./gaussianKeys.ts"
import { pacer } from "./pacer.ts"
import { type Batch, makeBatch, redisConnection, type RedisConnection, type WrongReply } from "./redisProtocol.ts"
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
  /** Requests a second, whatever the answers take; 0: as fast as they are answered. */
  readonly rate: number
  readonly durationMs: Milliseconds
  readonly corpus: string
  readonly seed: number
  /** Default `redis-server`, on PATH. */
  readonly server: string
  /** A cgroup's directory that the server is started in, instead of this process's. */
  readonly serverGroup: string | undefined
}

/** An operation is a request; latency is of a batch, at a rate from the time when it was due. */
export interface RedisResult extends OperationsResult {
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

/** What a shell ends with where there is no such program. */
const notFoundCode = 127

const notFound = (program: string): Error =>
  new Error(`there is no ${program}: install it (Debian: apt-get install --no-install-recommends redis-server)`)

const connectSoon = async (path: string, server: ChildProcess, program: string): Promise<Socket> => {
  const giveUp = performance.now() + startupMs
  for (;;) {
    try {
      return await connected(path)
    } catch (error) {
      if (server.exitCode === notFoundCode) throw notFound(program)
      if (server.exitCode !== null) throw new Error(`redis-server ended at once, with exit code ${server.exitCode}`, { cause: error })
      if (performance.now() > giveUp) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Enters the cgroup before the program is there, so that all of its memory is charged to that. */
const enterAndRun = 'echo $$ > "$0/cgroup.procs" && exec "$@"'

/** Fails with one line where no process can be put into it. */
const requireGroup = (directory: string): void => {
  try {
    accessSync(join(directory, "cgroup.procs"), constants.W_OK)
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code !== "ENOENT"
    const what = isThere ? "cannot be written to: run this as root" : "is no cgroup: make it first, with mkdir below /sys/fs/cgroup"
    throw new Error(`--server-group: ${directory} ${what}`, { cause: error })
  }
}

const started = ({ server: program, serverGroup }: RedisOptions, socket: string, directory: string): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const args = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", directory, "--loglevel", "warning"]
    const server =
      serverGroup === undefined
        ? spawn(program, args, { stdio: "ignore" })
        : spawn("/bin/sh", ["-c", enterAndRun, serverGroup, program, ...args], { stdio: "ignore" })
    server.once("spawn", () => resolve(server))
    server.once("error", (error) => reject((error as NodeJS.ErrnoException).code === "ENOENT" ? notFound(program) : error))
  })

const batchOfAll = 64

/** Goes over all keys in order, in batches. */
const forAllKeys = async (
  connection: RedisConnection,
  keys: number,
  batch: Batch,
  add: (key: number) => void,
  onWrong: (wrong: WrongReply) => void
): Promise<void> => {
  for (let first = 0; first < keys; first += batchOfAll) {
    batch.clear()
    for (let key = first; key < Math.min(keys, first + batchOfAll); key++) add(key)
    const wrong = await connection.exchange(batch)
    if (wrong !== undefined) onWrong(wrong)
  }
}

const load = (connection: RedisConnection, options: RedisOptions, corpus: Buffer): Promise<void> => {
  const batch = makeBatch(batchOfAll, { corpus, bytes: options.valueBytes })
  return forAllKeys(
    connection,
    options.keys,
    batch,
    (key) => batch.set(key, 0),
    ({ got }) => {
      throw new Error(`redis-server did not take a value: ${got.trim()}`)
    }
  )
}

/** Starts the server, loads, runs for `durationMs`, reads every key once more, ends the server. */
export const runRedis = async (
  options: RedisOptions,
  onLoaded: () => void,
  onMeasured: (result: RedisResult) => void
): Promise<RedisResult> => {
  if (options.serverGroup !== undefined) requireGroup(options.serverGroup)
  const directory = mkdtempSync(join(tmpdir(), "wmo-redis-"))
  const path = join(directory, "socket")
  let server: ChildProcess | undefined
  try {
    server = await started(options, path, directory)
    const connection = redisConnection(await connectSoon(path, server, options.server))
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
  const batch = makeBatch(options.pipeline, { corpus, bytes: options.valueBytes })
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
  const due = pacer((1000 * options.pipeline) / options.rate, start)
  while (now < start + options.durationMs) {
    batch.clear()
    for (let i = 0; i < options.pipeline; i++) {
      const key = nextKey()
      if (isWrite()) {
        versions[key] = (versions[key]! + 1) & 255
        batch.set(key, versions[key])
        writes++
      } else batch.get(key, versions[key]!)
    }
    const sent = await due()
    check(await connection.exchange(batch))
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
  const all = makeBatch(batchOfAll, { corpus, bytes: options.valueBytes })
  await forAllKeys(connection, options.keys, all, (key) => all.get(key, versions[key]!), check)
  if (firstWrong !== undefined) console.error(`redis: the first wrong reply began ${JSON.stringify(firstWrong.got)}`)
  return { ...measured, wrong_bytes: wrongBytes }
}
