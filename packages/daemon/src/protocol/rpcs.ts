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
  Rpc.make("Reload", { success: DaemonStatus, error: Refused })
) {}
