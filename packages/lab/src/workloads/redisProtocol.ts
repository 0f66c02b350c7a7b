/**
 * As much of Redis's protocol (RESP2) as a load generator needs: batches of GET and SET on numbered keys, written into one buffer, and replies whose
 * bytes are known beforehand, so that they are compared and not parsed, without making garbage. A client library would cost more than the server,
 * on one emulated CPU. Format: redis.io, "RESP protocol spec".
 */
import type { Socket } from "node:net"

const keyLength = "key:000000000".length
const keyName = (key: number): string => `key:${String(key).padStart(9, "0")}`

/** The value of a key at a version: its name and version, then a piece of the corpus, so that no two are the same. */
export interface ValueSource {
  readonly corpus: Buffer
  readonly bytes: number
}

const headLength = keyLength + ":000:".length
const valueHead = (key: number, version: number): string => `${keyName(key)}:${String(version).padStart(3, "0")}:`
const pieceOf = ({ bytes, corpus }: ValueSource, key: number, version: number): number =>
  (key * 1699 + version * 509) % Math.max(1, corpus.length - bytes)

/** Replies came that are not what was written: how many bytes, and how the first wrong reply began. */
export interface WrongReply {
  readonly bytes: number
  readonly got: string
}

export interface Batch {
  readonly clear: () => void
  readonly get: (key: number, version: number) => void
  /** `version`: 0 to 255. */
  readonly set: (key: number, version: number) => void
  readonly request: () => Buffer
  /** How many bytes the right replies have. */
  readonly replyBytes: () => number
  /** Compares the replies with what was asked for. */
  readonly check: (replies: Buffer) => WrongReply | undefined
}

const isSet = -1
const ok = Buffer.from("+OK\r\n")

/** A batch of at most `size` commands that is used again and again. */
export const makeBatch = (size: number, source: ValueSource): Batch => {
  const { bytes, corpus } = source
  const getTemplate = Buffer.from(`*2\r\n$3\r\nGET\r\n$${keyLength}\r\n${keyName(0)}\r\n`)
  const setTemplate = Buffer.from(`*3\r\n$3\r\nSET\r\n$${keyLength}\r\n${keyName(0)}\r\n$${bytes}\r\n`)
  const reply = Buffer.from(`$${bytes}\r\n`)
  const keyAt = `*2\r\n$3\r\nGET\r\n$${keyLength}\r\n`.length
  const buffer = Buffer.alloc(size * (setTemplate.length + bytes + 2))
  const head = Buffer.alloc(headLength)
  const keys = new Int32Array(size)
  const versions = new Int32Array(size)
  let length = 0
  let count = 0
  let expected = 0
  return {
    clear: () => {
      length = count = expected = 0
    },
    get: (key, version) => {
      getTemplate.copy(buffer, length)
      buffer.write(keyName(key), length + keyAt, "latin1")
      length += getTemplate.length
      keys[count] = key
      versions[count++] = version
      expected += reply.length + bytes + 2
    },
    set: (key, version) => {
      setTemplate.copy(buffer, length)
      buffer.write(keyName(key), length + keyAt, "latin1")
      length += setTemplate.length
      const from = pieceOf(source, key, version)
      corpus.copy(buffer, length, from, from + bytes)
      buffer.write(valueHead(key, version), length, "latin1")
      length += bytes
      buffer.write("\r\n", length, "latin1")
      length += 2
      keys[count] = key
      versions[count++] = isSet
      expected += ok.length
    },
    request: () => buffer.subarray(0, length),
    replyBytes: () => expected,
    check: (replies) => {
      let at = 0
      let wrong = 0
      let first: string | undefined
      for (let i = 0; i < count; i++) {
        const version = versions[i]!
        const isReplyToSet = version === isSet
        const end = at + (isReplyToSet ? ok.length : reply.length + bytes + 2)
        let isRight: boolean
        if (end > replies.length) isRight = false
        else if (isReplyToSet) isRight = replies.compare(ok, 0, ok.length, at, end) === 0
        else {
          head.write(valueHead(keys[i]!, version), 0, "latin1")
          const value = at + reply.length
          const piece = pieceOf(source, keys[i]!, version)
          isRight =
            replies.compare(reply, 0, reply.length, at, value) === 0 &&
            replies.compare(head, 0, headLength, value, value + headLength) === 0 &&
            replies.compare(corpus, piece + headLength, piece + bytes, value + headLength, value + bytes) === 0 &&
            replies[end - 2] === 0x0d
        }
        if (!isRight) {
          wrong += end - at
          first ??= replies.subarray(at, at + 60).toString("latin1")
        }
        at = end
      }
      return first === undefined ? undefined : { bytes: wrong, got: first }
    }
  }
}

export interface RedisConnection {
  /** Sends a batch, waits for as many bytes as expected, and compares. Rejects when the server goes away or says that it cannot. */
  readonly exchange: (batch: Batch) => Promise<WrongReply | undefined>
  readonly close: () => void
}

/** Over a socket that is connected. One exchange at a time. */
export const redisConnection = (socket: Socket): RedisConnection => {
  let pieces: Array<Buffer> = []
  let length = 0
  let wanted = 0
  let waiting: { readonly resolve: (got: Buffer) => void; readonly reject: (error: Error) => void } | undefined
  socket.on("data", (piece: Buffer) => {
    pieces.push(piece)
    length += piece.length
    // An error is shorter than what was expected: do not wait for the rest.
    const isError = pieces[0]![0] === 0x2d && piece.at(-1) === 0x0a
    if (waiting === undefined || (length < wanted && !isError)) return
    const { resolve } = waiting
    const got = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length)
    waiting = undefined
    pieces = []
    length = 0
    resolve(got)
  })
  const fail = (error: Error) => {
    waiting?.reject(error)
    waiting = undefined
  }
  socket.on("error", fail)
  socket.on("close", () => fail(new Error("redis-server closed the connection")))
  return {
    exchange: (batch) =>
      new Promise<Buffer>((resolve, reject) => {
        wanted = batch.replyBytes()
        waiting = { resolve, reject }
        socket.write(batch.request())
      }).then((got) => {
        if (got.length < wanted && got[0] === 0x2d) throw new Error(`redis-server says: ${got.toString("latin1").trim().slice(1)}`)
        return batch.check(got)
      }),
    close: () => socket.destroy()
  }
}
