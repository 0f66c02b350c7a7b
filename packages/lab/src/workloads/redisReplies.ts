/**
 * Where Redis's replies begin and end, in whatever pieces they come: reads their headers and skips their values. Knows the replies that GET and SET
 * can have, strings of both kinds, nil and errors; an error is thrown, since whoever only reads and writes cannot go on after one.
 */

const newline = 0x0a
const mostHeaderBytes = 1024

const noReply = (got: string): Error => new Error(`redis-server says what is no reply to GET or SET: ${JSON.stringify(got.slice(0, 60))}`)

export interface ReplyReader {
  /** Reads on; true once there are `count` replies. Throws what the server complains of, and on what is no such reply. */
  readonly read: (piece: Buffer, count: number) => boolean
  /** Where each reply so far ends, in bytes from the start. */
  readonly ends: ReadonlyArray<number>
  readonly clear: () => void
}

export const replyReader = (): ReplyReader => {
  const ends: Array<number> = []
  /** Bytes of earlier pieces. */
  let before = 0
  /** Of the value that is being skipped, with the line end that follows it. */
  let left = 0
  /** As much of a header as has come. */
  let header = ""

  /** Gives how many bytes follow this header. */
  const bodyBytes = (line: string): number => {
    if (line.startsWith("-")) throw new Error(`redis-server says: ${line.slice(1).trim()}`)
    if (line.startsWith("+")) return 0
    const length = Number(/^\$(-1|\d+)\r\n$/.exec(line)?.[1])
    if (Number.isNaN(length)) throw noReply(line)
    return length < 0 ? 0 : length + 2
  }

  return {
    ends,
    clear: () => {
      ends.length = before = left = 0
      header = ""
    },
    read: (piece, count) => {
      let at = 0
      while (at < piece.length && ends.length < count) {
        if (left === 0) {
          const end = piece.indexOf(newline, at) + 1
          header += piece.toString("latin1", at, end === 0 ? Math.min(piece.length, at + mostHeaderBytes) : end)
          at = end === 0 ? piece.length : end
          if (end > 0) {
            left = bodyBytes(header)
            header = ""
            if (left === 0) ends.push(before + at)
          } else if (header.length >= mostHeaderBytes) {
            bodyBytes(header)
            throw noReply(header)
          }
        } else {
          const skipped = Math.min(left, piece.length - at)
          left -= skipped
          at += skipped
          if (left === 0) ends.push(before + at)
        }
      }
      before += piece.length
      return ends.length === count
    }
  }
}
