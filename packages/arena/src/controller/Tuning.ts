/** The settings as they are now, and the cold age that has come of them: what the three loops share. Checks changes; adapts nothing. */
import type { Milliseconds } from "@wmo/core"
import { ArenaError } from "../ArenaError.ts"
import { changeSettings, type ControllerSettings } from "./Settings.ts"

export class Tuning {
  #settings: ControllerSettings
  /** A chunk untouched for this long is compressed. */
  coldMs: Milliseconds

  constructor(settings: ControllerSettings) {
    this.#settings = settings
    this.coldMs = settings.coldMs
  }

  get settings(): ControllerSettings {
    return this.#settings
  }

  /** A new `coldMs` is where adapting goes on from. Gives what is wrong with it, if anything is; nothing is changed then. */
  change(changes: Partial<ControllerSettings>): ArenaError | undefined {
    const changed = changeSettings(this.#settings, changes)
    if (changed instanceof ArenaError) return changed
    this.#settings = changed
    this.coldMs = Math.min(changed.mostColdMs, Math.max(changed.leastColdMs, changes.coldMs ?? this.coldMs))
    return undefined
  }
}
