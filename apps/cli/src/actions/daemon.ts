/** What `wmo status|explain|pause|resume|reload` do: one question to wmod, and its answer as a table or JSON. */
import { formatBytes, formatDuration } from "@wmo/core"
import {
  connectDaemon,
  type DaemonClient,
  type DaemonStatus,
  type Explanation,
  type GroupSummary,
  NoDaemon,
  Refused
} from "@wmo/daemon/client"
import { table } from "@wmo/report"
import { Clock, Console, Effect, Option, Schema } from "effect"
import { join } from "node:path"
import type { DaemonFlags, ExplainFlags } from "../commands/daemon.ts"
import { ExitCode, Failure } from "../Exit.ts"
import { stateDirectory } from "../stateDirectory.ts"

/** One question on a connection of its own. What wmod refuses is this command's failure, in wmod's words. */
export const ask = <A, E>(flags: DaemonFlags, question: (client: DaemonClient) => Effect.Effect<A, E>) =>
  connectDaemon(Option.getOrElse(flags.socket, () => join(stateDirectory(), "wmod.sock"))).pipe(
    Effect.flatMap(question),
    Effect.scoped,
    Effect.mapError((error) =>
      error instanceof NoDaemon || error instanceof Refused
        ? new Failure({ message: error.message, exitCode: ExitCode.failed })
        : new Failure({ message: `wmod did not answer: ${String(error)}`, exitCode: ExitCode.failed })
    ),
    Effect.catchDefect((defect) => (Schema.isSchemaError(defect) ? Effect.fail(otherVersion) : Effect.die(defect)))
  )

/** What wmod said is not what this wmo knows: one of the two was installed without the other. */
const otherVersion = new Failure({
  message: "wmod's answer is not understood: it is of another version than this wmo; restart it with the one that was installed last",
  exitCode: ExitCode.failed
})

const size = (bytes: number | undefined): string => (bytes === undefined ? "" : formatBytes(bytes))

const groupTable = (groups: ReadonlyArray<GroupSummary>, nowMs: number): string =>
  table(
    [
      { head: "group", align: "left", cell: ({ group, name }) => (name === undefined ? group : `${group} (${name})`) },
      { head: "policy", align: "left", cell: ({ override, policy = "" }) => (override === undefined ? policy : `${policy} (set)`) },
      { head: "state", align: "left", cell: ({ state }) => state },
      { head: "memory", align: "right", cell: ({ current_bytes }) => size(current_bytes) },
      { head: "swap", align: "right", cell: ({ swap_bytes }) => size(swap_bytes) },
      { head: "reclaimed", align: "right", cell: ({ reclaimed_bytes }) => size(reclaimed_bytes) },
      {
        head: "last",
        align: "left",
        cell: ({ again_at_ms, problem, reason, state, why }) =>
          state === "left-alone" || state === "stopped"
            ? why
            : problem === undefined
              ? (reason ?? why)
              : `${problem}; again in ${formatDuration(Math.max(0, (again_at_ms ?? nowMs) - nowMs))}`
      }
    ],
    groups
  )

const podsLines = ({ pods }: DaemonStatus, nowMs: number): ReadonlyArray<string> => {
  if (pods === undefined) return []
  const age = pods.taken_ms === undefined ? "" : `, ${formatDuration(nowMs - pods.taken_ms)} old`
  return [`pods        ${pods.known} known from ${pods.source}${age}${pods.problem === undefined ? "" : `: ${pods.problem}`}`]
}

const monitorLines = ({ monitors = [] }: DaemonStatus): ReadonlyArray<string> =>
  monitors.map(({ name, problem, subjects }) => `monitor     ${name}: ${problem ?? `${subjects} subjects`}`)

const statusText = (status: DaemonStatus, nowMs: number): string => {
  const how = status.mode === "running" ? "" : status.mode === "paused" ? ", paused: `wmo resume` goes on" : `, stopped: ${status.why}`
  const recording =
    status.recording === undefined
      ? []
      : [`recording   ${status.recording}${status.recording_problem === undefined ? "" : `: ${status.recording_problem}`}`]
  return [
    `wmod ${status.version}, pid ${status.pid}, up ${formatDuration(nowMs - status.started_ms)}${status.dry_run ? ", a dry run" : ""}${how}`,
    `configuration ${status.config}; ${formatBytes(status.rss_bytes)}, ${status.cpu_seconds.toFixed(1)} s of CPU`,
    ...recording,
    ...podsLines(status, nowMs),
    ...monitorLines(status),
    status.groups.length === 0
      ? `no rule picks any of the ${status.groups_seen} groups`
      : groupTable(
          status.groups.toSorted((a, b) => (a.group < b.group ? -1 : 1)),
          nowMs
        )
  ].join("\n")
}

const timeOf = (ms: number): string => new Date(ms).toTimeString().slice(0, 8)

const overrideLines = ({ override }: GroupSummary): ReadonlyArray<string> => {
  if (override === undefined) return []
  const { policy, settings, until_ms } = override
  const what = [...(policy === undefined ? [] : [`policy ${policy}`]), ...Object.entries(settings).map((each) => each.join("="))]
  const until = until_ms === undefined ? "a reload or `wmo set --unset`" : timeOf(until_ms)
  return [`set by hand: ${what.join(", ")}; until ${until}`]
}

/** How a group is looked after, without what was decided. */
export const explanationHead = ({ settings, summary, ...rails }: Explanation): string => {
  const { group, name, policy, state, why } = summary
  const cpu = rails.cpu_percent === undefined ? "" : `, ${rails.cpu_percent} % of a CPU`
  return [
    `${group}${name === undefined ? "" : ` (${name})`}: ${state}, ${why}`,
    ...(policy === undefined
      ? []
      : [
          `policy ${policy}: ${
            Object.entries(settings)
              .map(([setting, value]) => `${setting}=${value}`)
              .join(" ") || "no settings"
          }`,
          `floor ${size(rails.floor_bytes)}; at most ${size(rails.tick_bytes)} a tick, ${size(rails.minute_bytes)} a minute${cpu}`
        ]),
    `${size(summary.current_bytes) || "unknown"} in use, ${size(summary.reclaimed_bytes)} reclaimed in ${summary.ticks} ticks, ${summary.failures} failures`,
    ...overrideLines(summary)
  ].join("\n")
}

const explanationText = (explanation: Explanation): string =>
  [
    explanationHead(explanation),
    "",
    ...explanation.decisions.map(({ at_ms, outcomes, reason }) => `${timeOf(at_ms)}  ${[reason, ...outcomes].join(" | ")}`)
  ].join("\n")

const printStatus = Effect.fnUntraced(function* (flags: DaemonFlags, answer: DaemonStatus) {
  yield* Console.log(flags.json ? JSON.stringify(answer, null, 2) : statusText(answer, yield* Clock.currentTimeMillis))
})

export const status = Effect.fn("wmo status")(function* (flags: DaemonFlags) {
  yield* printStatus(flags, yield* ask(flags, (client) => client.Status()))
})

export const explain = Effect.fn("wmo explain")(function* (flags: ExplainFlags) {
  const answer = yield* ask(flags, (client) => client.Explain({ group: flags.group }))
  yield* Console.log(flags.json ? JSON.stringify(answer, null, 2) : explanationText(answer))
})

/** What is told, and what is said when it was done. */
const telling = (name: string, tell: (client: DaemonClient) => Effect.Effect<DaemonStatus, unknown>, done: (now: DaemonStatus) => string) =>
  Effect.fn(name)(function* (flags: DaemonFlags) {
    const now = yield* ask(flags, tell)
    yield* Console.log(flags.json ? JSON.stringify(now, null, 2) : done(now))
  })

export const pause = telling(
  "wmo pause",
  (client) => client.Pause(),
  () => "paused: everything is put back; `wmo resume` goes on"
)

export const resume = telling(
  "wmo resume",
  (client) => client.Resume(),
  ({ mode, why }) => (mode === "running" ? "running" : `not paused any more, but stopped: ${why}`)
)

export const reload = telling(
  "wmo reload",
  (client) => client.Reload(),
  ({ config, groups }) => `${config} is in force: ${groups.length} groups`
)
