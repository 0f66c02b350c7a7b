/**
 * What this machine offers for memory work: probed from its files, never guessed, never written to.
 * Each capability is a fact, what it is good for here, and, where something can be done about it, the exact command.
 * Does not decide which policy to run. `wmo doctor` prints this.
 */
import { Effect } from "effect"
import { probeCgroups } from "./capabilities/cgroups.ts"
import { probeHost } from "./capabilities/host.ts"
import { probePageAges } from "./capabilities/pageAges.ts"
import { probeSwap } from "./capabilities/swap.ts"
import { probeThp } from "./capabilities/thp.ts"
import type { KernFs } from "./KernFs.ts"

/** `yes`: can be used; `no`: this kernel lacks it; `off`: it is there, and something must be done first; `busy`: somebody else uses it. */
export type CapabilityState = "yes" | "no" | "off" | "busy"

export interface Capability {
  /** Stable name, for `--json` and for policies that require it. */
  readonly id: string
  readonly title: string
  readonly state: CapabilityState
  /** One short sentence of fact about this machine. */
  readonly detail: string
  /** What WMO can do with it. */
  readonly use: string
  /** Exact command or action that would make it `yes`. */
  readonly enable?: string
}

/** Probes this machine, in the order in which a person reads it. Never fails: what cannot be read is said in `detail`. */
export const probeCapabilities: Effect.Effect<ReadonlyArray<Capability>, never, KernFs> = Effect.map(
  Effect.all([probeHost, probeCgroups, probeSwap, Effect.map(probeThp, (thp) => [thp]), probePageAges]),
  (groups) => groups.flat()
)
