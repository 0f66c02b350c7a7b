/**
 * Which wmo works on which group, and why it did what it did last: by the claims in the journals of living processes, and by the recording
 * that such a process has open (`--record`, or the temporary one that every run keeps); a wmod is asked. Reads only.
 */
import { Cgroups, type Holder, Journal } from "@wmo/core"
import { openRecording } from "@wmo/recording"
import type { TopDecision } from "@wmo/report"
import { Clock, Effect } from "effect"
import { readdirSync, readlinkSync } from "node:fs"
import { daemonDecisions } from "./daemonDecisions.ts"

/** `run --policy periodic -- make`: periodic. */
export const policyOf = (command: string): string =>
  /(?:^|\s)(?:--policy|-p)[=\s]+(\S+)/.exec(command.split(/\s--\s/)[0]!)?.[1] ?? `wmo ${command.split(" ")[0] ?? ""}`.trim()

/** The recording that a process writes: the file beside whose write-ahead log it has open. */
export const recordingOf = (pid: number): string | undefined => {
  try {
    const directory = `/proc/${pid}/fd`
    const open = new Set(
      readdirSync(directory).map((fd) => {
        try {
          return readlinkSync(`${directory}/${fd}`)
        } catch {
          return ""
        }
      })
    )
    return [...open].find((file) => open.has(`${file}-wal`))
  } catch {
    return undefined
  }
}

interface Said {
  readonly policy: string
  readonly reason: string
  readonly atMs: number
}

/** The last decision of a recording's last run; undefined where it cannot be read (yet). */
const lastSaid = (file: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const recording = yield* openRecording(file)
      const run = (yield* recording.runs).at(-1)
      if (run === undefined) return undefined
      const last = (yield* recording.decisions(run.id)).at(-1)
      return last === undefined ? undefined : ({ policy: run.policy, reason: last.reason, atMs: last.atMs } satisfies Said)
    })
  ).pipe(Effect.orElseSucceed(() => undefined))

/** Reading what was said may take at most this share of the time: long recordings are asked less often. */
const share = 0.05

export const makeHolders = Effect.fnUntraced(function* (stateDirectory: string) {
  const cgroups = yield* Cgroups
  const said = new Map<number, { readonly value: Said | undefined; readonly nextMs: number }>()

  const saidBy = Effect.fnUntraced(function* ({ pid }: Holder) {
    const known = said.get(pid)
    const startMs = yield* Clock.currentTimeMillis
    if (known !== undefined && startMs < known.nextMs) return known.value
    const file = recordingOf(pid)
    const value = file === undefined ? undefined : ((yield* lastSaid(file)) ?? known?.value)
    const endMs = yield* Clock.currentTimeMillis
    said.set(pid, { value, nextMs: endMs + (endMs - startMs) / share })
    return value
  })

  return Effect.gen(function* () {
    const decisions = new Map<string, TopDecision>()
    const holders = yield* Journal.holders(stateDirectory)
    for (const pid of said.keys()) if (!holders.some((holder) => holder.pid === pid)) said.delete(pid)
    const daemon = yield* daemonDecisions(stateDirectory)
    for (const holder of holders) {
      if (holder.pid === daemon?.pid) continue
      const last = yield* saidBy(holder)
      for (const path of holder.claims) {
        const decision = { policy: policyOf(holder.command), pid: holder.pid }
        decisions.set(cgroups.normalize(path), last === undefined ? decision : { ...decision, ...last })
      }
    }
    for (const [group, decision] of daemon?.byGroup ?? []) decisions.set(group, decision)
    return decisions
  })
})
