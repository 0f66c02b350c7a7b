/** Where `wmo top` gets a live tree: names what a sampler of groups must give it. */
import type { KernelError } from "@wmo/core"
import type { GroupGone } from "@wmo/monitors"
import type { TopFrame } from "@wmo/report"
import type { Effect } from "effect"

export interface TopSource {
  /** Everything of the tree, now. */
  readonly frame: Effect.Effect<TopFrame, GroupGone | KernelError>
}
