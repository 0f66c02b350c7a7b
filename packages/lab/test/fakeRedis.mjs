/**
 * As much of redis-server as the Redis workload asks for. It kills itself at the start (FAKE_REDIS_KILLED=start), so many milliseconds after the first
 * request (=500), or keeps the first key only (FAKE_REDIS_FORGETS=1).
 */
import { writeFileSync } from "node:fs"
import { createServer } from "node:net"

const { FAKE_REDIS_FORGETS: forgets, FAKE_REDIS_KILLED: killed, FAKE_REDIS_PID: pidFile } = process.env
const kill = () => process.kill(process.pid, "SIGKILL")
if (pidFile !== undefined) writeFileSync(pidFile, String(process.pid))
if (killed === "start") kill()

const store = new Map()
let isFirst = true

/** Gives the replies to the whole commands, and the rest. */
const answer = (bytes) => {
  const replies = []
  let at = 0
  for (;;) {
    const parts = []
    let next = bytes.indexOf("\n", at) + 1
    if (next === 0) break
    const count = Number(bytes.latin1Slice(at + 1, next))
    for (let i = 0; i < count && next > 0; i++) {
      const from = bytes.indexOf("\n", next) + 1
      const to = from + Number(bytes.latin1Slice(next + 1, from))
      if (from === 0 || to + 2 > bytes.length) next = 0
      else {
        parts.push(bytes.latin1Slice(from, to))
        next = to + 2
      }
    }
    if (next === 0) break
    at = next
    const [name, key, value] = parts
    if (name === "SET" && (forgets === undefined || store.size === 0)) store.set(key, value)
    const stored = store.get(key)
    replies.push(name === "SET" ? "+OK\r\n" : stored === undefined ? "$-1\r\n" : `$${stored.length}\r\n${stored}\r\n`)
  }
  return [replies.join(""), bytes.subarray(at)]
}

createServer((socket) => {
  let rest = Buffer.alloc(0)
  socket.on("data", (piece) => {
    if (isFirst && killed !== undefined) setTimeout(kill, Number(killed))
    isFirst = false
    const [replies, unanswered] = answer(Buffer.concat([rest, piece]))
    rest = unanswered
    socket.write(replies, "latin1")
  })
  socket.on("error", () => {})
}).listen(process.argv[process.argv.indexOf("--unixsocket") + 1])
