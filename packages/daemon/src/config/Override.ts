/** What `wmo set` has said of a group: over its rules, until the configuration is read anew, the group goes, or its time is up. */
import type { Milliseconds } from "@wmo/core"
import type { AnyPolicy } from "@wmo/policies"

export interface Override {
  /** Undefined: the one of the rules. */
  readonly policy: AnyPolicy | undefined
  /** As they are written. */
  readonly settings: Readonly<Record<string, string>>
  /** Milliseconds since 1970; undefined: no end. */
  readonly untilMs: Milliseconds | undefined
}

/** `policy senpai, interval=2s`. */
export const describeOverride = ({ policy, settings }: Pick<Override, "policy" | "settings">): string =>
  [...(policy === undefined ? [] : [`policy ${policy.name}`]), ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)].join(
    ", "
  )
