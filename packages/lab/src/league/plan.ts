/**
 * What the host and the guest say to each other, as JSON files in the league's directory: `league.json` (what is played), `boot-N.json` (what one
 * guest runs), `SLOT.json` and `SLOT.wmo` (what came of a slot). Written whole or not at all, so that a guest that dies loses only itself.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import { Option } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { LeagueEntry } from "./entries.ts"
import { decodePlan, decodeSlotResult } from "./shapes.ts"
import type { LeagueWorkload } from "./workloads.ts"

/** All that decides what is played: the same plan gives the same schedule. */
export interface LeaguePlan {
  readonly version: 1
  readonly entries: ReadonlyArray<LeagueEntry>
  readonly workloads: ReadonlyArray<LeagueWorkload>
  readonly repeats: number
  readonly durationMs: Milliseconds
  /** Of that, what is not measured: policies settle. */
  readonly settleMs: Milliseconds
  readonly slotsPerBoot: number
  readonly memory: Bytes
  readonly cpus: number
  /** See `VmOptions`; null is the host's clock. */
  readonly icount: number | null
  readonly kernelSeries: string | null
}

export interface SlotOrder {
  readonly id: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
  /** After `wmo workload`. */
  readonly workload: ReadonlyArray<string>
}

export interface BootOrder {
  readonly slots: ReadonlyArray<SlotOrder>
  /** A slot that takes longer is ended, and has failed. */
  readonly slotTimeoutMs: Milliseconds
}

/** The machine once a second, beside what `wmo run` records of the group. */
export interface MachineSample {
  readonly at_ms: number
  readonly available_bytes: Bytes
  /** Memory that zram takes: charged to no group. */
  readonly zram_bytes: Bytes
  readonly zswap_bytes: Bytes
  /** CPU time so far, of the `wmo` that runs the policy and of all kdamonds. */
  readonly wmo_cpu_ms: Milliseconds
  readonly kdamond_cpu_ms: Milliseconds
}

export interface SlotResult {
  readonly id: string
  readonly exit_code: number
  /** The last line on stderr where it failed. */
  readonly trouble: string | null
  readonly samples: ReadonlyArray<MachineSample>
}

export const planFile = (directory: string): string => join(directory, "league.json")
export const resultFile = (directory: string, id: string): string => join(directory, `${id}.json`)
export const recordingFile = (directory: string, id: string): string => join(directory, `${id}.wmo`)

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"))

/** Undefined where the directory has no league. Throws with one line where the file is not one. */
export const readPlan = (directory: string): LeaguePlan | undefined => {
  const file = planFile(directory)
  if (!existsSync(file)) return undefined
  let json: unknown
  try {
    json = readJson(file)
  } catch (error) {
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  return Option.getOrThrowWith(decodePlan(json), () => new Error(`${file} is not a league of this wmo: start one in another directory`))
}

/** Undefined where the slot has not been played, or what is there is no result, or not whole. */
export const readSlotResult = (directory: string, id: string): SlotResult | undefined => {
  try {
    return Option.getOrUndefined(decodeSlotResult(readJson(resultFile(directory, id))))
  } catch {
    return undefined
  }
}
