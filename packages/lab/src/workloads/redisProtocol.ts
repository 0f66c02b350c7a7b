/**
 * As much of Redis's protocol (RESP2) as a load generator needs: requests in batches, and replies whose exact bytes are known beforehand, so
 * that they are compared and not parsed. A client library would cost more than the server, on one emulated CPU.
 */
import type { Socket } from "node:net"

/** One command. */
export const encodeCommand = (parts: ReadonlyArray<string | Buffer>): Buffer =>
  Buffer.concat([
    Buffer.from(`*${parts.length}\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`$${Buffer.byteLength(part)}\r\n`), Buffer.from(part), Buffer.from("\r\n")])
  ])

/** The reply that carries a value. */
export const bulkReply = (value: Buffer): Buffer => Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from("\r\n")])

export const okReply = Buffer.from("+OK\r\n")

/** Replies came that are not what was written: how many bytes, and how the first wrong reply began. */
export interface WrongReply {
  readonly bytes: number
  readonly got: string
}

export interface RedisConnection {
  /** Sends a batch, waits for as many bytes as expected, and compares. Undefined: all right. Rejects when the server goes away. */
  readonly exchange: (request: Buffer, expected: ReadonlyArray<Buffer>) => Promise<WrongReply | undefined>
  readonly close: () => void
}

const compare = (got: Buffer, expected: ReadonlyArray<Buffer>): WrongReply | undefined => {
  let at = 0
  let bytes = 0
  let first: string | undefined
  for (const reply of expected) {
    if (got.compare(reply, 0, reply.length, at, at + reply.length) !== 0) {
      bytes += reply.length
      first ??= got.subarray(at, at + 60).toString("latin1")
    }
    at += reply.length
  }
  return first === undefined ? undefined : { bytes, got: first }
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
    // An error is shorter than any value: do not wait for the rest of what will not come.
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
    exchange: (request, expected) =>
      new Promise<Buffer>((resolve, reject) => {
        wanted = expected.reduce((sum, { length }) => sum + length, 0)
        waiting = { resolve, reject }
        socket.write(request)
      }).then((got) => {
        if (got.length >= wanted) return compare(got, expected)
        if (got[0] === 0x2d) throw new Error(`redis-server says: ${got.toString("latin1").trim().slice(1)}`)
        return { bytes: wanted, got: got.subarray(0, 60).toString("latin1") }
      }),
    close: () => socket.destroy()
  }
}
