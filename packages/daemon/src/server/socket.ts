/**
 * The control socket: Effect RPC, a line of JSON a message. Who may ask is the kernel's to say: connecting takes write permission on the socket's
 * file, which is 0600 from its first moment on (umask), in a directory of the journal's owner. Does not look at SO_PEERCRED, which Node does not give.
 */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Effect, Layer } from "effect"
import { RpcSerialization, RpcServer } from "effect/rpc"
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs"
import { dirname } from "node:path"
import { DaemonRpcs, Refused } from "../protocol/rpcs.ts"
import type { DaemonStatus, Explanation } from "../protocol/Status.ts"
import type { SetRequest } from "../supervisor/setOverride.ts"

export interface Handlers {
  readonly status: Effect.Effect<DaemonStatus>
  readonly explain: (group: string) => Effect.Effect<Explanation | undefined>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly reload: Effect.Effect<void, { readonly message: string }>
  readonly set: (request: SetRequest) => Effect.Effect<Explanation, { readonly message: string }>
  readonly unset: (group: string) => Effect.Effect<Explanation, { readonly message: string }>
}

const ownerOnly = 0o600

/** Whoever holds the journal's lock is the only one: what is left of a socket is nobody's. Anything else in its place stays. */
const makeRoom = (path: string): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const there = lstatSync(path, { throwIfNoEntry: false })
  if (there?.isSocket() === true) rmSync(path)
}

const listening = (path: string) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const umask = yield* Effect.sync(() => {
        makeRoom(path)
        return process.umask(0o777 & ~ownerOnly)
      })
      const context = yield* Layer.build(NodeSocketServer.layer({ path })).pipe(Effect.ensuring(Effect.sync(() => process.umask(umask))))
      yield* Effect.sync(() => chmodSync(path, ownerOnly))
      return context
    })
  )

/** In lines for a person. */
const refused = Effect.mapError(({ message }: { readonly message: string }) => new Refused({ lines: message.split("\n") }))

export const socketServer = ({ explain, pause, reload, resume, set, status, unset }: Handlers, path: string) => {
  const handlers = DaemonRpcs.toLayer({
    Status: () => status,
    Explain: ({ group }) =>
      Effect.flatMap(explain(group), (explanation) =>
        explanation === undefined
          ? Effect.fail(new Refused({ lines: [`no rule picks ${group}; \`wmo status\` lists those that one does`] }))
          : Effect.succeed(explanation)
      ),
    Pause: () => Effect.andThen(pause, status),
    Resume: () => Effect.andThen(resume, status),
    Set: ({ for_ms, ...request }) => refused(set({ ...request, forMs: for_ms })),
    Unset: ({ group }) => refused(unset(group)),
    Reload: () => Effect.andThen(refused(reload), status)
  })
  return RpcServer.layer(DaemonRpcs).pipe(
    Layer.provide(handlers),
    Layer.provide(RpcServer.layerProtocolSocketServer),
    Layer.provide(RpcSerialization.layerNdjson),
    Layer.provideMerge(listening(path))
  )
}
