/**
 * Compression on a thread of its own. Where memory is mapped the thread reads it in place; elsewhere it is sent a copy. Codecs are loaded
 * there by name, so only codecs that have a name for `loadCodec` can be used.
 */
import type { Bytes } from "@wmo/core"
import { Worker } from "node:worker_threads"
import type { CompressJob } from "../region/Jobs.ts"
import type { CompressReply, CompressRequest, WorkerReady } from "./messages.ts"

export interface Compressor {
  /** One result for each job, undefined where it is too long; and what that cost. Rejects when the thread cannot. */
  readonly run: (jobs: ReadonlyArray<CompressJob>, chunkBytes: Bytes, mostBytes: Bytes) => Promise<CompressorResult>
  readonly close: () => Promise<void>
}

export interface CompressorResult {
  readonly results: ReadonlyArray<Uint8Array | undefined>
  readonly cpuMs: number
  /** Says that the results are not looked at any more: their memory is used again. */
  readonly done: () => void
}

/** Places for results that are kept: as many as there are requests at a time. */
const mostSpare = 2

/** In the sources a TypeScript file of this folder, in a bundle a file beside it. */
const entry = (): URL => new URL(import.meta.url.endsWith(".ts") ? "./codecWorker.ts" : "./codecWorker.js", import.meta.url)

const requestOf = (
  id: number,
  jobs: ReadonlyArray<CompressJob>,
  chunkBytes: Bytes,
  mostBytes: Bytes,
  into: ArrayBuffer | undefined
): CompressRequest => {
  const common = { id, chunkBytes, mostBytes, chunks: jobs.length, into }
  if (jobs.every(({ address }) => address !== undefined)) {
    return { ...common, addresses: BigUint64Array.from(jobs, ({ address }) => address!), bytes: undefined }
  }
  const bytes = new Uint8Array(jobs.length * chunkBytes)
  jobs.forEach((job, at) => bytes.set(job.region.snapshot(job), at * chunkBytes))
  return { ...common, addresses: undefined, bytes }
}

const resultsOf = ({ bytes, lengths }: CompressReply): ReadonlyArray<Uint8Array | undefined> => {
  let used = 0
  return Array.from(lengths, (length) => (length === 0 ? undefined : bytes.subarray(used, (used += length))))
}

/** Starts the thread; `codec` as `loadCodec` knows it. Rejects where there can be none: the caller compresses on its own thread then. */
export const openThreadCompressor = async (codec: string): Promise<Compressor> => {
  const worker = new Worker(entry(), { workerData: codec })
  worker.unref()
  const open = new Map<number, { resolve: (reply: CompressReply) => void; reject: (problem: Error) => void }>()
  let asked = 0
  const spare: Array<ArrayBuffer> = []
  const fail = (problem: Error): void => {
    for (const { reject } of open.values()) reject(problem)
    open.clear()
  }
  await new Promise<void>((resolve, reject) => {
    worker.once("message", ({ problem }: WorkerReady) => (problem === undefined ? resolve() : reject(new Error(problem))))
    worker.once("error", reject)
    worker.once("exit", () => reject(new Error("the codec thread ended")))
  })
  worker.on("message", (reply: CompressReply) => {
    const asker = open.get(reply.id)
    open.delete(reply.id)
    if (reply.problem === undefined) asker?.resolve(reply)
    else asker?.reject(new Error(reply.problem))
  })
  worker.on("error", fail)
  worker.on("exit", () => fail(new Error("the codec thread ended")))
  return {
    run: async (jobs, chunkBytes, mostBytes) => {
      const place = spare.findIndex(({ byteLength }) => byteLength >= jobs.length * mostBytes)
      const [into] = place < 0 ? [] : spare.splice(place, 1)
      const request = requestOf(asked++, jobs, chunkBytes, mostBytes, into)
      const reply = await new Promise<CompressReply>((resolve, reject) => {
        open.set(request.id, { resolve, reject })
        worker.postMessage(request, into === undefined ? [] : [into])
      })
      const done = (): void => {
        if (spare.length < mostSpare) spare.push(reply.bytes.buffer as ArrayBuffer)
      }
      return { results: resultsOf(reply), cpuMs: reply.cpuMs, done }
    },
    close: async () => {
      await worker.terminate()
    }
  }
}
