/** What a running wmod does about each of its groups, and why, by its own word. Reads only; where none answers there is nothing. */
import type { TopDecision } from "@wmo/report"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"

export interface DaemonDecisions {
  readonly pid: number
  readonly byGroup: ReadonlyMap<string, TopDecision>
}

/** A view must not wait for a daemon that hangs. */
const answerAtMost = "2 seconds"

export const daemonDecisions = (stateDirectory: string): Effect.Effect<DaemonDecisions | undefined> =>
  Effect.gen(function* () {
    const socket = join(stateDirectory, "wmod.sock")
    if (!existsSync(socket)) return undefined
    const { connectDaemon } = yield* Effect.promise(() => import("@wmo/daemon/client"))
    const { groups, pid } = yield* Effect.scoped(Effect.flatMap(connectDaemon(socket), (client) => client.Status()))
    const decided = groups.flatMap(({ group, last_ms, policy, problem, reason, state, why }) => {
      if (policy === undefined) return []
      const said = state === "stopped" ? why : (problem ?? reason)
      return [
        [
          group,
          { policy, pid, ...(said === undefined ? {} : { reason: said }), ...(last_ms === undefined ? {} : { atMs: last_ms }) }
        ] as const
      ]
    })
    return { pid, byGroup: new Map(decided) }
  }).pipe(
    Effect.timeoutOption(answerAtMost),
    Effect.map((answer) => (answer._tag === "Some" ? answer.value : undefined)),
    // One of another version, one that is just ending: the claims in its journal say who has a group.
    Effect.catchCause(() => Effect.succeed(undefined))
  )
