/**
 * A recorded session of control's loop on a simulated machine, in virtual time: what the demo and the comparison have in common. The workload is in
 * its group already; when the time is up, the session's result says what it did.
 */
import { Journal } from "@wmo/core"
import { defaultGuardRails, runSession, type SessionEnd, type SessionOptions } from "@wmo/control"
import { Recorder } from "@wmo/recording"
import { SimClock, type Simulation } from "@wmo/sim"
import { Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { JobFailed } from "./scenario.ts"

export interface SimulatedSessionOptions extends Pick<
  SessionOptions,
  "group" | "policy" | "settings" | "label" | "command" | "onTick" | "warmupMs"
> {
  readonly durationMs: number
  /** Unix time at boot, in milliseconds; for recordings that people look at. */
  readonly bootMs?: number
  /** Runs beside the loop, in the same virtual time, until the session ends. */
  readonly beside?: Effect.Effect<never>
}

/** One tick a second, the usual guard rails, page ages from the best source there is. Fails with one line on what went wrong. */
export const runSimulatedSession: (simulation: Simulation, options: SimulatedSessionOptions) => Effect.Effect<void, JobFailed, Recorder> =
  Effect.fnUntraced(function* (simulation, { beside, bootMs = 0, durationMs, ...options }) {
    const end = Effect.sleep(durationMs).pipe(
      Effect.map((): SessionEnd => {
        const { latency, operations, operationsPerSecond } = simulation.outcome(options.group)
        return {
          exitCode: 0,
          result: {
            operations,
            operations_per_second: operationsPerSecond,
            p50_us: latency.p50Us,
            p99_us: latency.p99Us,
            p999_us: latency.p999Us
          }
        }
      })
    )
    const session = runSession(
      { ...options, everyMs: 1000, rails: defaultGuardRails, dryRun: false, pageAge: "auto", clock: "simulated" },
      beside === undefined ? end : Effect.raceFirst(end, beside)
    )
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-sim-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const kernel = Layer.provideMerge(Journal.layer({ directory, command: "sim" }), simulation.layer)
    // The recorder is the caller's: its files are real, and no part of the simulated machine.
    const recorder = Layer.succeed(Recorder, yield* Recorder)
    yield* Effect.provide(Effect.scoped(session), Layer.mergeAll(kernel, recorder, SimClock.layer(simulation, { bootMs }))).pipe(
      Effect.mapError(({ message }) => new JobFailed({ message }))
    )
  }, Effect.scoped)
