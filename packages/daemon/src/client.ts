/**
 * `@wmo/daemon/client`: asks a wmod over its socket. Loads nothing of the daemon itself.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Data, Effect, Layer } from "effect"
import { RpcClient, RpcSerialization } from "effect/rpc"
import { connect } from "node:net"
import { DaemonRpcs } from "./protocol/rpcs.ts"

export { Refused } from "./protocol/rpcs.ts"
export type { DaemonStatus, Explanation, GroupSummary, PastDecision } from "./protocol/Status.ts"

/** Nobody answers at the socket. */
export class NoDaemon extends Data.TaggedError("NoDaemon")<{ readonly socket: string; readonly problem: string }> {
  override get message(): string {
    return `no wmod at ${this.socket}: ${this.problem}`
  }
}

const problems: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket; start wmod, or name its socket with --socket",
  ECONNREFUSED: "it is not running (the socket was left behind); start wmod",
  EACCES: "the socket is for its owner alone; ask as that user (root, mostly)"
}

/** Whether somebody listens, so that a client need not try for long. */
const tryOut = (socket: string): Effect.Effect<void, NoDaemon> =>
  Effect.callback<void, NoDaemon>((resume) => {
    const connection = connect(socket)
    connection.once("connect", () => {
      connection.destroy()
      resume(Effect.void)
    })
    connection.once("error", ({ code = "", message }: NodeJS.ErrnoException) =>
      resume(Effect.fail(new NoDaemon({ socket, problem: problems[code] ?? message })))
    )
    return Effect.sync(() => connection.destroy())
  })

/** A wmod that says nothing for so long, while it stops a thousand groups for example, is taken for dead; one that ended closes the socket. */
const silenceAtMost = "30 seconds"

/** A connection for as long as the scope lives. */
export const connectDaemon = Effect.fnUntraced(function* (socket: string) {
  yield* tryOut(socket)
  const protocol = RpcClient.layerProtocolSocket({ pingInterval: silenceAtMost }).pipe(
    Layer.provide(NodeSocket.layerNet({ path: socket })),
    Layer.provide(RpcSerialization.layerNdjson)
  )
  const context = yield* Layer.build(protocol)
  return yield* Effect.provideContext(RpcClient.make(DaemonRpcs), context)
})

export type DaemonClient = Effect.Success<ReturnType<typeof connectDaemon>>
