/**
 * One fault after the other, each on a machine of its own: wmod comes up and acts, the fault strikes, wmod is up or is started again, goes on, and ends;
 * then nothing may be left of it. A fault is known by its seed and kind alone, and can be repeated so.
 */
import type { Fault } from "./Fault.ts"
import { allFaults } from "./faults/all.ts"
import { afterEnd, whileUp } from "./invariants.ts"
import { Seeded } from "./seeded.ts"
import { Stage } from "./Stage.ts"

export interface FaultResult {
  readonly kind: string
  readonly seed: number
  /** One line each; none: survived. */
  readonly problems: ReadonlyArray<string>
  /** Times that it was started again. */
  readonly restarts: number
  readonly log: ReadonlyArray<string>
}

/** Strikes once. Never fails: what goes wrong is a problem. */
export const strikeOnce = async (fault: Fault, seed: number): Promise<FaultResult> => {
  const seeded = new Seeded(seed).stream(fault.kind)
  const stage = new Stage(seeded.stream("machine"))
  const problems: Array<string> = []
  const uncaught = (error: unknown) => void problems.push(`uncaught: ${error instanceof Error ? error.stack : String(error)}`)
  process.on("uncaughtException", uncaught).on("unhandledRejection", uncaught)
  try {
    if (!(await stage.start())) problems.push(`it did not come up before the fault: ${stage.whyEnded}`)
    await stage.pass(seeded.whole(2, 8))
    if (stage.settings().get("/sys/fs/cgroup/web/memory.high") === "max")
      problems.push("nothing was set before the fault: it proves nothing")
    await fault.strike(stage, seeded.stream("fault"))
    if (!stage.hasEnded) stage.fs.before = undefined
    await stage.keepUp()
    problems.push(...(await whileUp(stage, fault.exempt)))
    await stage.end()
    problems.push(...(await afterEnd(stage)))
  } catch (error) {
    problems.push(`the campaign itself failed: ${error instanceof Error ? error.stack : String(error)}`)
    await stage.end()
  } finally {
    process.off("uncaughtException", uncaught).off("unhandledRejection", uncaught)
    stage.remove()
  }
  return { kind: fault.kind, seed, problems, restarts: stage.restarts, log: stage.log }
}

export interface CampaignOptions {
  readonly faults: number
  readonly seed: number
  /** Kinds whose name contains it. */
  readonly only?: string | undefined
  readonly onResult?: (result: FaultResult) => void
}

export const kindsNamed = (only = ""): ReadonlyArray<Fault> => allFaults.filter(({ kind }) => kind.includes(only))

/** All kinds in turn, each with seeds of its own. */
export const runCampaign = async ({ faults, onResult, only, seed }: CampaignOptions): Promise<ReadonlyArray<FaultResult>> => {
  const kinds = kindsNamed(only)
  const results: Array<FaultResult> = []
  for (let i = 0; i < faults; i++) {
    const result = await strikeOnce(kinds[i % kinds.length]!, seed + Math.floor(i / kinds.length))
    results.push(result)
    onResult?.(result)
  }
  return results
}

/** Kinds with counts, and how many were survived. */
export const summaryOf = (results: ReadonlyArray<FaultResult>): ReadonlyArray<string> => {
  const kinds = [...new Set(results.map(({ kind }) => kind))]
  const lines = kinds.map((kind) => {
    const those = results.filter((result) => result.kind === kind)
    const survived = those.filter(({ problems }) => problems.length === 0).length
    const restarts = those.reduce((sum, each) => sum + each.restarts, 0)
    const note = restarts > 0 ? `, started again ${restarts} times` : ""
    return `${`${survived} of ${those.length}`.padStart(9)}  ${kind}${note}`
  })
  const survived = results.filter(({ problems }) => problems.length === 0).length
  return [...lines, `survived ${survived} of ${results.length} faults`]
}
