/**
 * Monitors of third parties that run: those of the configuration, started and ended as it changes. Not under the supervisor's lock: a monitor may take a
 * while to close.
 */
import { type Context, Effect, Fiber, type Scope, Semaphore } from "effect"
import type { ConfiguredMonitor } from "../config/Config.ts"
import { MonitorRecord, runMonitor } from "./runMonitor.ts"

type Services = Effect.Services<ReturnType<typeof runMonitor>>

export class RunningMonitors {
  private readonly fibers = new Map<MonitorRecord, Fiber.Fiber<never>>()
  private readonly lock = Semaphore.makeUnsafe(1)
  private readonly services: Context.Context<Services>
  private readonly scope: Scope.Scope

  constructor(services: Context.Context<Services>, scope: Scope.Scope) {
    this.services = services
    this.scope = scope
  }

  get records(): ReadonlyArray<MonitorRecord> {
    return [...this.fibers.keys()]
  }

  /** Those that are new begin, those that are gone end; in the background. */
  settle(wanted: ReadonlyArray<ConfiguredMonitor>): Effect.Effect<unknown> {
    return Effect.gen({ self: this }, function* () {
      const isWanted = ({ configured }: MonitorRecord): boolean =>
        wanted.some(({ everyMs, monitor }) => monitor === configured.monitor && everyMs === configured.everyMs)
      for (const [record, fiber] of this.fibers) {
        if (isWanted(record)) continue
        this.fibers.delete(record)
        yield* Fiber.interrupt(fiber)
      }
      for (const configured of wanted) {
        if (this.records.some((record) => record.configured.monitor === configured.monitor)) continue
        const record = new MonitorRecord(configured)
        const run = Effect.interruptible(Effect.provideContext(runMonitor(record), this.services))
        this.fibers.set(record, yield* Effect.forkIn(run, this.scope))
      }
    }).pipe(this.lock.withPermits(1), Effect.forkIn(this.scope))
  }
}
