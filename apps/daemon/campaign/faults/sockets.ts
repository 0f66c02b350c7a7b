/** The control socket: random bytes, half requests, requests that make no sense, huge frames, hundreds of connections, readers that do not read. */
import { connect } from "node:net"
import type { Fault } from "../Fault.ts"
import type { Seeded } from "../seeded.ts"
import type { Stage } from "../Stage.ts"
import { babble } from "../babble.ts"

const request = (tag: string, payload: unknown, id: unknown = "1"): string =>
  `${JSON.stringify({ _tag: "Request", id, tag, payload, headers: [] })}\n`

const nonsense = (seeded: Seeded): string | Buffer => {
  const good = request(seeded.pick(["Status", "Explain", "Pause"]), { group: "web" })
  return seeded.pick<() => string | Buffer>([
    () => seeded.bytes(seeded.whole(1, 20_000)),
    () => good.slice(0, seeded.whole(1, good.length - 1)),
    () => request("Nothing", null),
    () => request("Explain", seeded.pick([7, null, {}, { group: 7 }, { group: "x".repeat(100_000) }, { group: "../../../etc" }])),
    () => request("Status", null, seeded.pick([null, {}, -1, "x", -0.5])),
    () =>
      `${JSON.stringify({ _tag: seeded.pick(["Interrupt", "Ack", "Eof", "Ping", "Exit", "__proto__", 7]), requestId: seeded.pick(["1", null, 7]) })}\n`,
    () => `${"[".repeat(seeded.whole(1, 50_000))}\n`,
    () => `"${"x".repeat(seeded.whole(1, 8) * 2 ** 20)}`,
    () => "\n".repeat(seeded.whole(1, 10_000)),
    () => request("Status", null).repeat(seeded.whole(10, 500))
  ])()
}

const isOver = async (stage: Stage, work: Promise<unknown>): Promise<void> => {
  let isDone = false
  void work.then(() => (isDone = true))
  await stage.until(() => isDone, 600)
}

const socketOf = (stage: Stage) => () => connect(stage.place("state/wmod.sock"))

export const sockets: ReadonlyArray<Fault> = [
  {
    kind: "nonsense on the socket",
    strike: (stage, seeded) =>
      isOver(stage, Promise.all(Array.from({ length: seeded.whole(1, 8) }, () => babble(socketOf(stage), nonsense(seeded), 40)))).then(
        async () => {
          await stage.ask((client) => client.Resume())
        }
      )
  },
  {
    kind: "flood of connections",
    strike: async (stage, seeded) => {
      const said = () =>
        seeded.pick<string | Buffer>([request("Status", null), seeded.bytes(100), "", request("Status", null).slice(0, 20)])
      await isOver(
        stage,
        Promise.all(Array.from({ length: seeded.whole(50, 600) }, () => babble(socketOf(stage), said(), seeded.whole(1, 200))))
      )
    }
  },
  {
    kind: "who asks does not read",
    strike: async (stage, seeded) => {
      const connections = Array.from({ length: seeded.whole(1, 5) }, () =>
        socketOf(stage)()
          .on("error", () => undefined)
          .pause()
      )
      for (const connection of connections) connection.write(request("Status", null).repeat(seeded.whole(100, 2000)))
      await stage.pass(3)
      for (const connection of connections) connection.destroy()
    }
  }
]

const lines = (seeded: Seeded): string | Buffer =>
  seeded.pick<() => string | Buffer>([
    () => seeded.bytes(seeded.whole(1, 5000)),
    () => "GET /metrics HTTP/1.1\r\n",
    () => "GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n",
    () => `GET /${"x".repeat(seeded.whole(1, 100_000))} HTTP/1.1\r\nHost: x\r\n\r\n`,
    () => `GET /metrics HTTP/1.1\r\nHost: x\r\n${"X-Y: z\r\n".repeat(seeded.whole(1, 5000))}\r\n`,
    () => `POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: ${seeded.pick(["-1", "99999999999999999999", "5"])}\r\n\r\nx`,
    () => "POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    () => `GET ${seeded.pick(["*", "http://[", "/%", "/%00", "/..//../etc/passwd", "//", "/metrics?%"])} HTTP/1.1\r\nHost: x\r\n\r\n`,
    () => `${seeded.pick(["OPTIONS", "TRACE", "CONNECT", "PRI", "get", "G\u0000T"])} /metrics HTTP/1.1\r\nHost: x\r\n\r\n`,
    () => "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(seeded.whole(2, 200)),
    () => "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    () => "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"
  ])()

/** wmod begins anew with HTTP on a port of its own choice. */
const httpPort = async (stage: Stage): Promise<number> => {
  const { createServer } = await import("node:net")
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = server.address() as { readonly port: number }
      server.close(() => resolve(free))
    })
  })
  await stage.end()
  stage.configure({ keys: `server: { http: "127.0.0.1:${port}" }` })
  await stage.start()
  return port
}

export const http: ReadonlyArray<Fault> = [
  {
    kind: "malformed HTTP",
    strike: async (stage, seeded) => {
      const port = await httpPort(stage)
      const open = () => connect(port, "127.0.0.1")
      await isOver(
        stage,
        Promise.all(
          Array.from({ length: seeded.pick([1, 10, 40, 400]) }, () =>
            babble(open, seeded.chance(0.2) ? "" : lines(seeded), seeded.whole(5, 80))
          )
        )
      )
      let answer = ""
      await isOver(
        stage,
        fetch(`http://127.0.0.1:${port}/healthz`)
          .then((response) => response.text())
          .then((text) => (answer = text))
          .catch((error: unknown) => (answer = String(error)))
      )
      if (answer !== "ok\n") stage.problems.push(`/healthz answers ${JSON.stringify(answer)} afterwards`)
    }
  }
]
