/** What wmod can be asked over its socket. One group of calls, the same for the server and for `wmo`. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { DaemonStatus, Explanation } from "./Status.ts"

/** It was understood, and not done. Lines for a person. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { lines: Schema.Array(Schema.String) }) {
  override get message(): string {
    return this.lines.join("\n")
  }
}

export class DaemonRpcs extends RpcGroup.make(
  Rpc.make("Status", { success: DaemonStatus }),
  Rpc.make("Explain", { payload: { group: Schema.String }, success: Explanation, error: Refused }),
  /** Answers when everything is stopped and put back. */
  Rpc.make("Pause", { success: DaemonStatus }),
  Rpc.make("Resume", { success: DaemonStatus }),
  /** All of it is taken, or nothing. Holds until the configuration is read anew, the group or wmod goes, `Unset`, or for so long. */
  Rpc.make("Set", {
    payload: {
      group: Schema.String,
      policy: Schema.optionalKey(Schema.String),
      settings: Schema.Record(Schema.String, Schema.String),
      for_ms: Schema.optionalKey(Schema.Finite)
    },
    success: Explanation,
    error: Refused
  }),
  Rpc.make("Unset", { payload: { group: Schema.String }, success: Explanation, error: Refused }),
  Rpc.make("Reload", { success: DaemonStatus, error: Refused })
) {}
