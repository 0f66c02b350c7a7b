/** What the tests of DAMON share. */
import { Cgroups, type ContextOptions, Damon, DamonModules, DamonTrace, Journal, makeKdamond } from "@wmo/core"
import { Effect, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { firstFrame } from "../src/Frames.ts"
import { SimClock, type Simulation } from "../src/index.ts"
import { hot, workload } from "./harness.ts"

type Services = Cgroups | Damon | DamonModules | DamonTrace | Journal | Scope.Scope

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-sim-damon-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

export const runOn = <A, E>(sim: Simulation, effect: Effect.Effect<A, E, Services>) =>
  Effect.scoped(
    Effect.flatMap(directory, (path) =>
      Effect.provide(Effect.provide(effect, Journal.layer({ directory: path, command: "test" })), [sim.layer, SimClock.layer(sim)])
    )
  ) as Effect.Effect<A, unknown>

export const heap = 0x5600_0000_0000
export const attrs = { intervals: { sampleUs: 5000, aggrUs: 100_000, updateUs: 1_000_000 }, nrRegions: { min: 10, max: 200 } }
export const cold = (seconds: number) => ({
  sz: { min: 4096, max: Infinity },
  nrAccesses: { min: 0, max: 0 },
  age: { min: seconds * 10, max: Infinity }
})

/** 32 MiB that are in use all the time, then 96 MiB that are not. */
export const quarterHot = () => workload(32_768, [hot(0, 8192, 0.2)], { loadUs: 0.1 })

export const started = (sim: Simulation, options: ContextOptions) =>
  Effect.gen(function* () {
    const damon = yield* Damon
    const owned = yield* damon.acquire()
    yield* owned.stage(makeKdamond({ ...attrs, ...options }))
    yield* owned.start()
    return owned
  })

export const ramOf = (bytes: number) => [{ start: BigInt(firstFrame * 4096), end: BigInt(firstFrame * 4096 + bytes) }]
export const resident = (sim: Simulation, name = "demo") => sim.group(name).tree.residentPages
