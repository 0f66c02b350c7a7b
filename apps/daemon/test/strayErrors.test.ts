import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { onStrayErrors } from "../src/strayErrors.ts"

describe("errors that nobody waits for", () => {
  it.effect("a rejected promise is told of, what is thrown ends wmod, and afterwards neither is heard", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const before = process.listenerCount("uncaughtException")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* onStrayErrors(
            ({ message }) => heard.push(`end: ${message}`),
            (line) => heard.push(line)
          )
          const [rejected] = process.listeners("unhandledRejection").slice(-1)
          const [thrown] = process.listeners("uncaughtException").slice(-1)
          rejected?.(new Error("no answer\nin two lines"), Promise.resolve())
          thrown?.(new Error("late"), "uncaughtException")
          process.stderr.emit("error", new Error("EPIPE"))
        })
      )
      assert.deepStrictEqual(heard, ["a promise that nobody waits for failed: no answer", "end: something failed outside of a tick: late"])
      assert.strictEqual(process.listenerCount("uncaughtException"), before)
    })
  )
})
