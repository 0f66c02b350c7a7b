/**
 * What is read of the whole machine at every look at a group, read once for all groups that are looked at within a moment. The rest of `Machine` is passed on.
 */
import { Machine, type Milliseconds } from "@wmo/core"
import { Clock, Effect, Layer } from "effect"

const sharedForMs: Milliseconds = 50

/** The value of a moment ago, or a new one; a failure is not kept. */
const shared = <A, E>(read: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  let last: { readonly atMs: Milliseconds; readonly value: A } | undefined
  return Effect.flatMap(Clock.currentTimeMillis, (atMs) => {
    if (last !== undefined && atMs >= last.atMs && atMs - last.atMs < sharedForMs) return Effect.succeed(last.value)
    return Effect.map(read, (value) => {
      last = { atMs, value }
      return value
    })
  })
}

export const sharedMachine: Layer.Layer<Machine, never, Machine> = Layer.effect(
  Machine,
  Effect.map(Machine, (machine) =>
    Machine.of({
      ...machine,
      memInfo: shared(machine.memInfo),
      vmstat: shared(machine.vmstat),
      swappiness: shared(machine.swappiness)
    })
  )
)
