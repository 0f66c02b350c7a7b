/** What `wmo replay` prints: a line a sample, totals, and what was decided when the run was recorded. */
import {
  type ActionTaken,
  addTurn,
  countInputs,
  makeReplay,
  missingInputs,
  noInputs,
  noTotals,
  type ReplayStep,
  type ReplayTotals
} from "@wmo/control"
import { formatBytes, formatDuration } from "@wmo/core"
import { type Action, decodeSettings, describeAction, findPolicy, parseAction, printAction } from "@wmo/policies"
import { type ActionRow, type DecisionRow, openRecordings, type Recording, type RunInfo } from "@wmo/recording"
import { type Column, table } from "@wmo/report"
import { Console, Effect, Option, Result, Stream } from "effect"
import type { ReplayFlags } from "../commands/replay.ts"
import { unsupported, usageError } from "../Exit.ts"
import { chooseRuns } from "../recordingParts.ts"

/** The policy and its settings: those of the flags, or of the run. What an imported run calls its settings may be none of ours. */
const choosePolicy = Effect.fnUntraced(function* (flags: ReplayFlags, run: RunInfo) {
  const name = Option.getOrElse(flags.policy, () => run.policy)
  const found = findPolicy(name)
  if (Result.isFailure(found)) return yield* usageError(found.failure.message)
  const policy = found.success
  const recorded = name === run.policy ? Object.entries(run.settings).filter(([key]) => Object.hasOwn(policy.settings, key)) : []
  const given = { ...Object.fromEntries(recorded), ...flags.set }
  const settings = decodeSettings(policy.name, policy.settings, given)
  if (Result.isFailure(settings)) return yield* usageError(settings.failure.message)
  return { policy, settings: settings.success, given }
})

/** What was decided and done at each time, when the run was recorded. */
interface Then {
  readonly reasons: ReadonlyMap<number, string>
  readonly actions: ReadonlyMap<number, ReadonlyArray<ActionTaken>>
}

const readThen = Effect.fnUntraced(function* (recording: Recording, run: RunInfo, group: string) {
  const isOurs = ({ subject }: DecisionRow | ActionRow) => subject.kind === "cgroup" && subject.name === group
  const reasons = new Map((yield* recording.decisions(run.id)).filter(isOurs).map(({ atMs, reason }) => [atMs, reason]))
  const actions = new Map<number, Array<ActionTaken>>()
  for (const row of (yield* recording.actions(run.id)).filter(isOurs)) {
    const taken = { asked: parseAction(row.asked), allowed: row.allowed === undefined ? undefined : parseAction(row.allowed) }
    const known = actions.get(row.atMs)
    if (known === undefined) actions.set(row.atMs, [taken])
    else known.push(taken)
  }
  return { reasons, actions } satisfies Then
})

const takenOf = ({ verdicts }: ReplayStep): ReadonlyArray<ActionTaken> =>
  verdicts.map(({ asked, verdict }) => ({ asked, allowed: verdict.allowed }))

const describe = ({ allowed, asked }: ActionTaken): string =>
  allowed === undefined ? `${describeAction(asked)} [refused]` : describeAction(allowed)

const describeAll = (actions: ReadonlyArray<ActionTaken>): string => (actions.length === 0 ? "–" : actions.map(describe).join(", "))

/** Reasons end with what is done; the line says that by itself. */
const lineOf = (step: ReplayStep, then: Then, startMs: number): string => {
  const { atMs, usage } = step.observation
  const at = (atMs === startMs ? "0 s" : formatDuration(atMs - startMs)).padStart(9)
  const would = step.reason === undefined ? "not asked yet" : `${describeAll(takenOf(step))}  (${step.reason})`
  const refusals = step.verdicts.flatMap(({ verdict }) => (verdict.allowed === undefined ? [verdict.refusal] : (verdict.note ?? [])))
  const done = then.actions.get(atMs) ?? []
  const was = done.length === 0 ? "" : ` | then: ${describeAll(done)}`
  return `${at}  ${formatBytes(usage.currentBytes).padStart(8)}  ${would}${refusals.map((text) => ` [${text}]`).join("")}${was}`
}

const totalsColumns: ReadonlyArray<Column<readonly [name: string, totals: ReplayTotals]>> = [
  { head: "", align: "left", cell: ([name]) => name },
  { head: "turns that act", cell: ([, totals]) => String(totals.turns_with_actions) },
  { head: "reclaims", cell: ([, totals]) => String(totals.reclaims) },
  { head: "asked", cell: ([, totals]) => formatBytes(totals.reclaim_asked_bytes) },
  { head: "let through", cell: ([, totals]) => formatBytes(totals.reclaim_allowed_bytes) },
  { head: "limits set", cell: ([, totals]) => String(totals.limits_set) },
  {
    head: "lowest limit",
    cell: ([, totals]) => (totals.lowest_limit_bytes === null ? "–" : formatBytes(totals.lowest_limit_bytes))
  },
  { head: "agings", cell: ([, totals]) => String(totals.agings) },
  { head: "DAMON", cell: ([, totals]) => String(totals.damon_set_ups) },
  { head: "refused", cell: ([, totals]) => String(totals.refused) }
]

/** An action for JSON: what has no limit says so. */
const plain = (action: Action | undefined): unknown => (action === undefined ? null : JSON.parse(printAction(action)))

const jsonOf = (step: ReplayStep, then: Then) => ({
  at_ms: step.observation.atMs,
  memory_current_bytes: step.observation.usage.currentBytes,
  reason: step.reason ?? null,
  actions: step.verdicts.map(({ asked, verdict }) => ({
    asked: plain(asked),
    allowed: plain(verdict.allowed),
    note: verdict.allowed === undefined ? verdict.refusal : (verdict.note ?? null)
  })),
  recorded: {
    reason: then.reasons.get(step.observation.atMs) ?? null,
    actions: (then.actions.get(step.observation.atMs) ?? []).map(({ allowed, asked }) => ({ asked: plain(asked), allowed: plain(allowed) }))
  }
})

const same = (a: ReadonlyArray<ActionTaken>, b: ReadonlyArray<ActionTaken>): boolean =>
  a.map(({ asked }) => printAction(asked)).join() === b.map(({ asked }) => printAction(asked)).join()

const openLoop =
  "open loop: what it decides changes nothing about what it sees next; memory it would have reclaimed is still there. Sums are requests, not savings."

const findGroup = Effect.fnUntraced(function* (recording: Recording, run: RunInfo, flags: ReplayFlags) {
  if (Option.isNone(flags.group)) return yield* recording.ownGroup(run.id)
  const group = flags.group.value.split("/").filter(Boolean).join("/")
  const groups = (yield* recording.subjects(run.id)).filter(({ kind }) => kind === "cgroup")
  if (groups.some(({ name }) => name === group)) return group
  const some = groups.slice(0, 5).map(({ name }) => name || "/")
  return yield* usageError(`run ${run.id} has no cgroup ${group}; it has ${some.join(", ")}${groups.length > 5 ? ", …" : ""}`)
})

export const replay = Effect.fn("wmo replay")(function* (flags: ReplayFlags) {
  yield* Effect.scoped(
    Effect.gen(function* () {
      const recording = yield* openRecordings(flags.file)
      const run = (yield* chooseRuns(recording, flags.run)).at(-1)!
      const { given, policy, settings } = yield* choosePolicy(flags, run)
      const group = yield* findGroup(recording, run, flags)
      const inputs = yield* Stream.runFold(recording.replay(run.id, group), () => noInputs, countInputs)
      const where = `run ${run.id} of ${flags.file}`
      if (inputs.samples === 0) return yield* usageError(`${where} holds no samples of ${group || "/"}`)
      const missing = missingInputs(policy, inputs)
      if (missing.length > 0) {
        return yield* unsupported(`policy ${policy.name} cannot be replayed on ${where}: ${missing.join("; ")}, which it needs`)
      }
      const then = yield* readThen(recording, run, group)
      const highWasMoved = [...then.actions.values()].some((actions) =>
        actions.some(({ allowed, asked }) => asked._tag === "SetHigh" && allowed !== undefined)
      )
      const rails = { floorBytes: flags.floor, stepBytes: flags.step, perMinuteBytes: flags.budget }
      const next = makeReplay({ policy, settings, rails, warmupMs: flags.warmup, highWasMoved })

      const written = Object.entries(given).map(([key, value]) => ` ${key}=${value}`)
      if (!flags.json) {
        yield* Console.log(`${policy.name}${written.join("")} on ${where}: ${run.label}, ${group || "/"}\n${openLoop}`)
        if (!inputs.knowsMachine) yield* Console.log("The recording does not say how much swap was free: it is taken as unlimited.")
        if (policy.needs.includes("page-age") && inputs.withPageAges < inputs.samples) {
          yield* Console.log(`Page ages are known at ${inputs.withPageAges} of ${inputs.samples} samples.`)
        }
        yield* Console.log("")
      }
      let would = noTotals
      let was = noTotals
      let agreed = 0
      let startMs: number | undefined
      const steps: Array<ReturnType<typeof jsonOf>> = []
      yield* Stream.runForEach(recording.replay(run.id, group), (observation) => {
        const step = next(observation)
        startMs ??= observation.atMs
        const taken = takenOf(step)
        const done = then.actions.get(observation.atMs) ?? []
        would = addTurn(would, taken)
        was = addTurn(was, done)
        if (same(taken, done)) agreed++
        if (flags.actsOnly && taken.length === 0 && done.length === 0) return Effect.void
        if (!flags.json) return Console.log(lineOf(step, then, startMs))
        return Effect.sync(() => void steps.push(jsonOf(step, then)))
      })
      if (flags.json) {
        const head = {
          open_loop: true,
          file: flags.file,
          run_id: run.id,
          run_policy: run.policy,
          group,
          policy: policy.name,
          settings: given
        }
        const totals = { samples: inputs.samples, samples_agreeing: agreed, would, recorded: was }
        return yield* Console.log(JSON.stringify({ ...head, inputs, totals, steps }, null, 2))
      }
      const rows = [
        [`${policy.name}, replayed`, would],
        [`${run.policy}, then`, was]
      ] as const
      yield* Console.log(`\n${table(totalsColumns, rows)}`)
      yield* Console.log(`The same was asked for at ${agreed} of ${inputs.samples} samples.`)
    })
  )
})
