/** What of a configuration counts at the start only: a reload that would change it is refused. */
import { Data } from "effect"
import type { Config } from "../config/Config.ts"

/** The configuration is in order, but cannot be taken without a new start. */
export class RestartNeeded extends Data.TaggedError("RestartNeeded")<{ readonly what: ReadonlyArray<string> }> {
  override get message(): string {
    return `${this.what.join(", ")} cannot change while wmod runs: restart it; the configuration before stays in force`
  }
}

const fixed = (config: Config): Readonly<Record<string, unknown>> => ({
  state_directory: config.stateDirectory,
  "server.socket": config.socket,
  "server.http": config.http,
  "server.names": config.httpNames,
  recording: config.recording
})

/** Names of such parts that differ. */
export const changedParts = (before: Config, now: Config): ReadonlyArray<string> => {
  const is = fixed(now)
  return Object.entries(fixed(before)).flatMap(([name, value]) => (JSON.stringify(value) === JSON.stringify(is[name]) ? [] : [name]))
}
