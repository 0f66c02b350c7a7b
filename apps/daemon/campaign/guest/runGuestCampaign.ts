/**
 * Faults one after the other on a real kernel: wmod acts, the fault strikes, it acts again (started again where it ended), it ends, and everything is as it
 * was. Seeded; what meets what still depends on the machine's speed, so a failure may take more than one try to repeat.
 */
import { Seeded } from "../seeded.ts"
import { type GuestFault, guestFaults } from "./faults.ts"
import { GuestStage } from "./GuestStage.ts"

export interface GuestResult {
  readonly kind: string
  readonly seed: number
  readonly problems: ReadonlyArray<string>
  readonly restarts: number
  readonly seconds: number
}

const strikeOnce = async (stage: GuestStage, fault: GuestFault, seed: number): Promise<GuestResult> => {
  const startMs = Date.now()
  const problems: Array<string> = []
  stage.restarts = 0
  try {
    problems.push(...(await stage.ready()))
    await fault.strike(stage, new Seeded(seed).stream(fault.kind))
    problems.push(...(await stage.isActing()), ...(await stage.end()))
  } catch (error) {
    problems.push(`the campaign itself failed: ${error instanceof Error ? error.stack : String(error)}`)
  }
  const bugs = stage.logs.flatMap((log) => log.split("\n").filter((line) => /this is a bug|unhandled|at file:/i.test(line)))
  problems.push(...bugs.map((line) => `in the log: ${line}`))
  stage.sweep()
  return { kind: fault.kind, seed, problems, restarts: stage.restarts, seconds: (Date.now() - startMs) / 1000 }
}

export interface GuestCampaignOptions {
  readonly faults: number
  readonly seed: number
  readonly only: string
  readonly directory: string
  readonly onResult?: (result: GuestResult) => void
}

export const runGuestCampaign = async (options: GuestCampaignOptions): Promise<ReadonlyArray<GuestResult>> => {
  const { directory, faults, only, onResult, seed } = options
  const kinds = guestFaults.filter(({ kind }) => kind.includes(only))
  const stage = new GuestStage(directory)
  const results: Array<GuestResult> = []
  try {
    for (let i = 0; i < faults && kinds.length > 0; i++) {
      const result = await strikeOnce(stage, kinds[i % kinds.length]!, seed + Math.floor(i / kinds.length))
      results.push(result)
      onResult?.(result)
    }
  } finally {
    await stage.remove()
  }
  return results
}
