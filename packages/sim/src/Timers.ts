/**
 * What the machine does by itself at a moment of virtual time: kernel threads. Few at a time: a list is enough.
 */
import type { Microseconds } from "@wmo/core"

export interface Timer {
  readonly atUs: Microseconds
  readonly fire: () => void
}

export class Timers {
  private readonly timers: Array<Timer> = []

  /** When the next one is due; Infinity: there is none. */
  get nextUs(): Microseconds {
    return this.timers[0]?.atUs ?? Infinity
  }

  add(timer: Timer): void {
    const at = this.timers.findIndex(({ atUs }) => atUs > timer.atUs)
    this.timers.splice(at === -1 ? this.timers.length : at, 0, timer)
  }

  remove(timer: Timer): void {
    const at = this.timers.indexOf(timer)
    if (at !== -1) this.timers.splice(at, 1)
  }

  /** Takes out the next one that is due. */
  take(nowUs: Microseconds): Timer | undefined {
    return this.nextUs <= nowUs ? this.timers.shift() : undefined
  }
}
