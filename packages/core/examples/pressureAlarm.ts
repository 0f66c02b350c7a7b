/**
 * Says when tasks wait for memory: `node pressureAlarm.ts [GROUP] [STALL_MS] [COUNT]`, by default the whole machine and 150 ms of stall
 * within 2 s. The kernel wakes the program: nothing is polled. Ends after COUNT alarms, or with Ctrl+C. Needs PSI; a group needs root.
 */
import { Cgroups, KernFs, Pressure } from "@wmo/core"
import { Effect, Layer, Stream } from "effect"

const [group = "", stallMs = "150", count = "Infinity"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const pressure = yield* Pressure
  const alarms = yield* pressure.trigger({
    ...(group === "" ? {} : { group }),
    resource: "memory",
    line: "some",
    stallUs: Number(stallMs) * 1000,
    windowUs: 2_000_000
  })
  console.log(`waiting for ${stallMs} ms of stall within 2 s`)
  yield* alarms.pipe(
    Stream.take(Number(count)),
    Stream.runForEach(() => Effect.sync(() => console.log(`${new Date().toISOString()}  tasks waited for memory`)))
  )
})

const services = Pressure.layer.pipe(Layer.provideMerge(Cgroups.layer), Layer.provideMerge(KernFs.layer))
await program.pipe(Effect.scoped, Effect.provide(services), Effect.runPromise)
