/**
 * As much of Redis's protocol (RESP2) as a load generator needs: batches of GET and SET on numbered keys, written into one buffer, and replies whose
 * bytes are known beforehand, so that right ones are compared and not parsed, without making garbage. A client library would cost more than the
 * server, on one emulated CPU. Format: redis.io, "RESP protocol spec".
 */
import type { Socket } from "node:net"
import { replyReader } from "./redisReplies.ts"

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
  readonly count: () => number
  /** How many bytes the right replies have. */
  readonly replyBytes: () => number
  /** Whether these are the right replies, in a row. */
  readonly isRight: (replies: Buffer) => boolean
  /** Says what is wrong with replies that end at these bytes, each of which may be of any length. */
  readonly compare: (replies: Buffer, ends: ReadonlyArray<number>) => WrongReply | undefined
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
  const rightBytes = (index: number): number => (versions[index] === isSet ? ok.length : reply.length + bytes + 2)
  const isRightReply = (index: number, replies: Buffer, at: number, end: number): boolean => {
    if (end - at !== rightBytes(index)) return false
    const version = versions[index]!
    if (version === isSet) return replies.compare(ok, 0, ok.length, at, end) === 0
    head.write(valueHead(keys[index]!, version), 0, "latin1")
    const value = at + reply.length
    const piece = pieceOf(source, keys[index]!, version)
    return (
      replies.compare(reply, 0, reply.length, at, value) === 0 &&
      replies.compare(head, 0, headLength, value, value + headLength) === 0 &&
      replies.compare(corpus, piece + headLength, piece + bytes, value + headLength, value + bytes) === 0 &&
      replies[end - 2] === 0x0d &&
      replies[end - 1] === 0x0a
    )
  }
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
    count: () => count,
    replyBytes: () => expected,
    isRight: (replies) => {
      if (replies.length !== expected) return false
      for (let i = 0, at = 0; i < count; i++) {
        const end = at + rightBytes(i)
        if (!isRightReply(i, replies, at, end)) return false
        at = end
      }
      return true
    },
    compare: (replies, ends) => {
      let wrong = 0
      let first: string | undefined
      for (let i = 0, at = 0; i < count; i++) {
        const end = ends[i]!
        if (!isRightReply(i, replies, at, end)) {
          wrong += rightBytes(i)
          first ??= replies.subarray(at, Math.min(end, at + 60)).toString("latin1")
        }
        at = end
      }
      return first === undefined ? undefined : { bytes: wrong, got: first }
    }
  }
}

/** Whoever answered has gone. */
export class ConnectionLost extends Error {}

export interface RedisConnection {
  /**
   * Sends a batch, waits for all its replies, and compares. Rejects when the server has gone away, says that it cannot, or answers what was not asked;
   * after that there is no other exchange.
   */
  readonly exchange: (batch: Batch) => Promise<WrongReply | undefined>
  readonly close: () => void
}

/** Over a socket that is connected. One exchange at a time. Right replies are told by their bytes; only where they are not are they parsed. */
export const redisConnection = (socket: Socket): RedisConnection => {
  interface Asked {
    readonly batch: Batch
    readonly resolve: (wrong: WrongReply | undefined) => void
    readonly reject: (error: unknown) => void
  }
  const reader = replyReader()
  let pieces: Array<Buffer> = []
  let length = 0
  let asked: Asked | undefined
  let failure: unknown
  const fail = (error: unknown): void => {
    failure ??= error
    asked?.reject(failure)
    asked = undefined
  }
  const replies = (): Buffer => (pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length))
  const finish = ({ resolve }: Asked, wrong: WrongReply | undefined): void => {
    asked = undefined
    pieces = []
    length = 0
    reader.clear()
    resolve(wrong)
  }
  const take = (piece: Buffer): void => {
    if (asked === undefined) throw new Error("redis-server says more than it was asked")
    pieces.push(piece)
    length += piece.length
    const { batch } = asked
    if (length === batch.replyBytes()) {
      if (batch.isRight(replies())) return finish(asked, undefined)
    }
    if (!reader.read(piece, batch.count())) return
    if (reader.ends.at(-1)! < length) throw new Error("redis-server says more than it was asked")
    finish(asked, batch.compare(replies(), reader.ends))
  }
  socket.on("data", (piece: Buffer) => {
    if (failure !== undefined) return
    try {
      take(piece)
    } catch (error) {
      fail(error)
    }
  })
  socket.on("error", ({ message }) => fail(new ConnectionLost(`no connection to redis-server: ${message}`)))
  socket.on("close", () => fail(new ConnectionLost("redis-server closed the connection")))
  return {
    exchange: (batch) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure)
        asked = { batch, resolve, reject }
        socket.write(batch.request())
      }),
    close: () => socket.destroy()
  }
}
