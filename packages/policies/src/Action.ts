/**
 * What a policy may ask for: data, carried out (or refused) by control's actuator. Amounts are bytes.
 */
import { type Bytes, formatBytes, formatDuration, type Limit, type Milliseconds } from "@wmo/core"

export type Action =
  /** Reclaim this much now (`memory.reclaim`). */
  | { readonly _tag: "Reclaim"; readonly bytes: Bytes; readonly swappiness?: number | "max" | undefined }
  /** Set the throttle limit (`memory.high`); it is put back at the end. */
  | { readonly _tag: "SetHigh"; readonly limit: Limit }
  /** Create a new MGLRU generation, so that what is used from now on can be told from what is not. */
  | { readonly _tag: "Age" }
  /**
   * Evict whole MGLRU generations (`lru_gen`), oldest first: those of which everything has been idle for at least `olderThanMs`, at most
   * `bytes` of them. Unlike `Reclaim` it never reaches younger memory. Swappiness 0 takes file pages only, 200 prefers anon as far as it can.
   */
  | { readonly _tag: "Evict"; readonly olderThanMs: Milliseconds; readonly bytes: Bytes; readonly swappiness?: number | undefined }

/** An action in a few words, for people. */
export const describeAction = (action: Action): string => {
  switch (action._tag) {
    case "Reclaim":
      return `reclaim ${formatBytes(action.bytes)}`
    case "SetHigh":
      return `set memory.high to ${action.limit === "max" ? "max" : formatBytes(action.limit)}`
    case "Age":
      return "age the generations"
    case "Evict":
      return `evict up to ${formatBytes(action.bytes)} idle ≥ ${formatDuration(action.olderThanMs)}`
  }
}
