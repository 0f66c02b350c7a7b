/** A kind of fault: what happens to a machine with a running wmod, chosen by a seed, and over when it returns. */
import type { Seeded } from "./seeded.ts"
import type { Stage } from "./Stage.ts"

export interface Fault {
  readonly kind: string
  /** What is done, in a few words; for whoever reads of a failure. The daemon is up at the beginning, unless `before` says otherwise. */
  readonly strike: (stage: Stage, seeded: Seeded) => Promise<void>
  /** Before the daemon is started. */
  readonly arrange?: (stage: Stage, seeded: Seeded) => void
  /** Groups that need not be looked after when it is over: their policy is the fault. */
  readonly exempt?: ReadonlyArray<string>
}
