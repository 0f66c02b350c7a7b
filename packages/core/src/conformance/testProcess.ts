/**
 * A process with memory for the suites to work on: a real child, which touches its memory when it is told to, or one of a fake kernel.
 */
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import type { Mapping } from "../processes/Mapping.ts"
import { Processes } from "../processes/Processes.ts"
import type { Bytes } from "../Units.ts"

export interface TestProcess {
  readonly pid: number
  /** Reads and writes a byte of each page of its memory, and returns when that is done. */
  readonly touch: Effect.Effect<void>
  /** Ends it, and returns when its parent has taken note. */
  readonly end: Effect.Effect<void>
}

/** Starts a process with that much anonymous memory, all of it touched once; it ends with the scope. */
export type TestMemory = (bytes: Bytes) => Effect.Effect<TestProcess, never, Scope.Scope>

const program = (bytes: Bytes): string => `
  const { readSync, writeSync } = require("node:fs")
  const memory = Buffer.allocUnsafeSlow(${bytes})
  for (let i = 0; i < memory.length; i += 4) memory.writeUInt32LE(i % 65521, i)
  const word = Buffer.alloc(1)
  writeSync(1, ".")
  while (readSync(0, word) === 1) {
    for (let i = 0; i < memory.length; i += 4096) memory[i]++
    writeSync(1, ".")
  }`

/** A child of this process, for real kernels. */
export const realProcess: TestMemory = Effect.fnUntraced(function* (bytes) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, ["-e", program(bytes)], { stdio: ["pipe", "pipe", "inherit"] })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  /** Does something, and waits until the process says that it is done. */
  const answerTo = (act: () => void) =>
    Effect.promise(
      () =>
        new Promise<void>((resolve) => {
          child.stdout.once("data", () => resolve())
          act()
        })
    )
  yield* answerTo(() => undefined)
  return {
    pid: child.pid!,
    touch: answerTo(() => child.stdin.write(".")),
    end: Effect.promise(() => {
      child.kill("SIGKILL")
      return exited
    })
  }
})

/** The mapping that holds the process's memory: the one with the most anonymous pages in memory or swap. */
export const memoryOf = Effect.fnUntraced(function* (pid: number) {
  const mappings = yield* (yield* Processes).smaps(pid)
  const size = ({ amounts }: (typeof mappings)[number]): Bytes => (amounts.Anonymous ?? 0) + (amounts.Swap ?? 0)
  return mappings.reduce((largest, mapping) => (size(mapping) > size(largest) ? mapping : largest))
})

export const lengthOf = ({ end, start }: Pick<Mapping, "start" | "end">): Bytes => Number(end - start)
