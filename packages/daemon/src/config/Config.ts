/**
 * A checked configuration: what wmod goes by, all in base units, globs and policies resolved. Made by `checkConfig` alone.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { AnyPolicy } from "@wmo/policies"
import type { AnnotationRights } from "../containers/annotations.ts"
import type { Selector } from "../containers/selectors.ts"
import type { Monitor } from "./loadMonitors.ts"
import type { OwnBudget } from "../supervisor/ownBudget.ts"
import type { Schedule } from "./schedule.ts"

/** What is said of groups; undefined: not said here. */
export interface RuleBody {
  readonly policy?: AnyPolicy | undefined
  /** As they are written, checked against the policies that they can belong to. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  readonly floorBytes?: Bytes | undefined
  readonly tickBytes?: Bytes | undefined
  readonly minuteBytes?: Bytes | undefined
  /** Of one CPU, in percent. */
  readonly cpuPercent?: number | undefined
  readonly protect?: boolean | undefined
  readonly schedule?: Schedule | undefined
  /** What pods may say of themselves; undefined: nothing. */
  readonly annotations?: AnnotationRights | undefined
}

/** Where names, labels and annotations of pods come from. */
export type PodsSource =
  | { readonly file: string }
  | {
      /** `${NAME}` in it is a variable of the environment. */
      readonly url: string
      readonly tokenFile: string | undefined
      readonly caFile: string | undefined
      readonly everyMs: Milliseconds
    }

export interface Rule {
  /** Where it begins in the file. */
  readonly line: number
  readonly globs: ReadonlyArray<string>
  /** By the group's path; with no globs all groups are let through to the selector. */
  readonly matches: (group: string) => boolean
  readonly selector: Selector | undefined
  readonly body: RuleBody
}

export interface EmergencyStop {
  /** Share of a tick in which some task was stalled on memory. */
  readonly pressurePercent: number
  /** Of the machine's memory: bytes, or a share of all. */
  readonly available: { readonly bytes: Bytes } | { readonly percent: number }
  readonly resumeAfterMs: Milliseconds
}

export interface ConfiguredMonitor {
  readonly monitor: Monitor
  readonly everyMs: Milliseconds
}

export interface Config {
  readonly file: string
  readonly everyMs: Milliseconds
  /** Between two looks at a group in which nothing moves, at most. */
  readonly idleEveryMs: Milliseconds
  /** What wmod itself may take. */
  readonly ownBudget: OwnBudget
  readonly dryRun: boolean
  readonly defaults: RuleBody
  readonly rules: ReadonlyArray<Rule>
  readonly protectedGlobs: ReadonlyArray<string>
  readonly isProtected: (group: string) => boolean
  /** Undefined: off. */
  readonly emergencyStop: EmergencyStop | undefined
  readonly recording: { readonly directory: string; readonly keepForMs: Milliseconds; readonly keepBytes: Bytes } | undefined
  readonly stateDirectory: string
  readonly socket: string
  readonly http: { readonly host: string; readonly port: number } | undefined
  /** By which HTTP may be asked for beside what always holds. */
  readonly httpNames: ReadonlyArray<string>
  readonly pods: PodsSource | undefined
  /** All that rules, `wmo set` and annotations can name. */
  readonly policies: ReadonlyArray<AnyPolicy>
  readonly monitors: ReadonlyArray<ConfiguredMonitor>
}
