/**
 * SIGINT, SIGTERM and SIGHUP: by default they interrupt the running command, whose finalizers restore the machine. A command that has
 * something better to do (pass them on to a child, end a loop politely) installs a handler for as long as its scope lives.
 */
import { Effect, type Scope } from "effect"
import { readFileSync } from "node:fs"
import { setImmediate } from "node:timers/promises"

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP"

let handler: ((signal: Signal) => void) | undefined
let received: Signal | undefined

/** The last signal that arrived, if any. */
export const lastSignal = (): Signal | undefined => received

/** Handles signals until the scope closes. */
export const handleSignals = (handle: (signal: Signal) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      handler = handle
    }),
    () =>
      Effect.sync(() => {
        handler = undefined
      })
  )

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const

let disconnect = (): void => {}

/** Connects the process's signals to a fiber. */
export const connectSignals = (interrupt: () => void): void => {
  const listeners = signals.map((signal) => {
    const listener = (): void => {
      received = signal
      if (handler === undefined) interrupt()
      else handler(signal)
    }
    process.on(signal, listener)
    return () => process.off(signal, listener)
  })
  disconnect = () => listeners.forEach((off) => off())
}

/**
 * From here on signals end the process at once, as they do by default. For a command that blocks the thread, so that no listener would get a turn, and
 * that has nothing to put back.
 */
export const defaultSignals: Effect.Effect<void> = Effect.gen(function* () {
  // What arrived before is still to be handled: after the second turn the event loop has looked.
  yield* Effect.promise(() => setImmediate())
  yield* Effect.promise(() => setImmediate())
  disconnect()
})

/** Whether a terminal delivers Ctrl+C to this process, and then to its children too: it is in the foreground of one. */
export const isForeground = (): boolean => {
  try {
    const [, , group, , , foreground] = readFileSync("/proc/self/stat", "utf8").split(") ").at(-1)!.split(" ")
    return group === foreground
  } catch {
    return false
  }
}
