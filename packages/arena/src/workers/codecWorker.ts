/**
 * The codec thread: takes a copy of each chunk (its owner may be writing it at the same time; a torn copy is thrown away by the owner), and
 * compresses the copy. Never writes to the arena's memory.
 */
import { parentPort, workerData } from "node:worker_threads"
import { loadCodec } from "../codecs/loadCodec.ts"
import type { CompressReply, CompressRequest, WorkerReady } from "./messages.ts"

// An error's message, if it is computed, does not survive the way between threads.
const codec = await loadCodec(workerData).catch((problem: unknown) => {
  parentPort!.postMessage({ problem: problem instanceof Error ? problem.message : String(problem) } satisfies WorkerReady)
  process.exit()
})

const loadCopy = async (): Promise<(target: Uint8Array, address: bigint, bytes: number) => void> => {
  const { default: koffi } = await import("koffi")
  return koffi.load(null).func("memcpy", "void *", ["void *", "uint64_t", "size_t"])
}
let copy: Awaited<ReturnType<typeof loadCopy>> | undefined

const compress = async ({ addresses, bytes, chunkBytes, chunks, id, into, mostBytes }: CompressRequest): Promise<CompressReply> => {
  const started = performance.now()
  const lengths = new Uint32Array(chunks)
  const results = new Uint8Array(into ?? new ArrayBuffer(chunks * mostBytes))
  const snapshot = new Uint8Array(chunkBytes)
  if (addresses !== undefined) copy ??= await loadCopy()
  let used = 0
  for (let at = 0; at < chunks; at++) {
    if (addresses === undefined) snapshot.set(bytes!.subarray(at * chunkBytes, (at + 1) * chunkBytes))
    else copy!(snapshot, addresses[at]!, chunkBytes)
    lengths[at] = codec.compress(snapshot, results.subarray(used, used + mostBytes))
    used += lengths[at]!
  }
  return { id, lengths, bytes: results.subarray(0, used), cpuMs: performance.now() - started, problem: undefined }
}

parentPort!.on("message", (request: CompressRequest) => {
  void compress(request)
    .catch((problem: unknown): CompressReply => ({
      id: request.id,
      lengths: new Uint32Array(0),
      bytes: new Uint8Array(0),
      cpuMs: 0,
      problem: String(problem)
    }))
    .then((reply) => parentPort!.postMessage(reply, [reply.bytes.buffer as ArrayBuffer]))
})
parentPort!.postMessage({ problem: undefined } satisfies WorkerReady)
