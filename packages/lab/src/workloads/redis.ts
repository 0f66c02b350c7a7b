/**
 * Redis under load: starts redis-server on a Unix socket, fills it with values of real content, then asks for keys that are normally
 * distributed, in batches, from one connection, at full speed or at a rate; some requests write. Every value that comes back is compared with what was
 * written. Needs redis-server (Debian: `redis-server`). Nothing is saved to disk. The server may have a cgroup of its own, so that what is measured
 * there is the server and not its client.
 */
import type { Milliseconds } from "@wmo/core"
import { createHistogram } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import type { OperationsResult } from "./OperationsResult.ts"
import { gaussianKeys } from "./gaussianKeys.ts"
import { pacer } from "./pacer.ts"
import { type Batch, ConnectionLost, makeBatch, redisConnection, type RedisConnection, type WrongReply } from "./redisProtocol.ts"
import { type RedisServerOptions, startRedisServer } from "./redisServer.ts"
import { random, readCorpus } from "./verifiedMemory.ts"

export interface RedisOptions extends RedisServerOptions {
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
}

/** An operation is a request; latency is of a batch, at a rate from the time when it was due. */
export interface RedisResult extends OperationsResult {
  readonly keys: number
  readonly writes: number
  readonly wrong_bytes: number
}

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

/** How long after its connection a server's end is seen. */
const endSeenMs: Milliseconds = 1000

/**
 * Starts the server, loads, runs for `durationMs`, reads every key once more, ends the server. Fails where the server ends before. When `signal` aborts
 * it is over at once, and the server with it.
 */
export const runRedis = async (
  options: RedisOptions,
  onLoaded: () => void,
  onMeasured: (result: RedisResult) => void,
  signal: AbortSignal
): Promise<RedisResult> => {
  signal.throwIfAborted()
  const corpus = readCorpus(options.corpus, options.valueBytes)
  const server = startRedisServer(options)
  let connection: RedisConnection | undefined
  const work = async (): Promise<RedisResult> => {
    connection = redisConnection(await server.connect())
    await load(connection, options, corpus)
    onLoaded()
    return measure(connection, options, corpus, onMeasured)
  }
  const ended = server.ended.then((why) => Promise.reject(why))
  const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }))
  try {
    return await Promise.race([work(), ended, aborted])
  } catch (error) {
    throw error instanceof ConnectionLost ? ((await Promise.race([server.ended, sleep(endSeenMs)])) ?? error) : error
  } finally {
    connection?.close()
    await server.stop()
  }
}

const measure = async (
  connection: RedisConnection,
  options: RedisOptions,
  corpus: Buffer,
  onMeasured: (result: RedisResult) => void
): Promise<RedisResult> => {
  const nextKey = gaussianKeys(options.keys, options.sigma, options.seed)
  const next = random(~options.seed)
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
  const end = start + options.durationMs
  const pace = pacer((1000 * options.pipeline) / options.rate, start)
  const countSeconds = () => {
    for (; now >= second; second += 1000) {
      bySecond.push(operations - before)
      before = operations
    }
  }
  while (now < end && pace.nextMs() < end) {
    batch.clear()
    for (let i = 0; i < options.pipeline; i++) {
      const key = nextKey()
      if (isWrite()) {
        versions[key] = (versions[key]! + 1) & 255
        batch.set(key, versions[key])
        writes++
      } else batch.get(key, versions[key]!)
    }
    const sent = await pace.next()
    check(await connection.exchange(batch))
    now = performance.now()
    latency.record(Math.max(1, Math.round((now - sent) * 1e6)))
    operations += options.pipeline
    countSeconds()
  }
  if (now < end) {
    await sleep(end - now)
    now = Math.max(end, performance.now())
    countSeconds()
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
