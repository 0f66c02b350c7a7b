/**
 * The pods that are known, from a file (read again when it has changed) or from a server (asked every so often). What cannot be read leaves what was known
 * before; that is said once in the log, and in the status for as long as it holds.
 */
import { Clock, Effect, Result } from "effect"
import { readFileSync, statSync } from "node:fs"
import type { PodsSource } from "../config/Config.ts"
import { type Pods, readPods } from "../containers/pods.ts"
import type { PodsStatus } from "../protocol/Status.ts"
import { askPods, type PodsServer } from "./PodsServer.ts"

const noPods: Pods = new Map()

const stampOf = (file: string): string => {
  try {
    const { ino, mtimeMs, size } = statSync(file)
    return `${ino} ${mtimeMs} ${size}`
  } catch {
    return "none"
  }
}

const readFile = (file: string): Result.Result<Pods, string> => {
  try {
    return readPods(readFileSync(file, "utf8"))
  } catch (error) {
    return Result.fail(error instanceof Error ? error.message : String(error))
  }
}

const nameOf = (source: PodsSource): string => ("file" in source ? source.file : source.url)

export class KnownPods {
  pods: Pods = noPods
  private source: PodsSource | undefined
  private stamp = ""
  private askedMs = -Infinity
  private takenMs: number | undefined
  private problem: string | undefined

  /** For the status; undefined where pods are looked for nowhere. */
  get status(): PodsStatus | undefined {
    if (this.source === undefined) return undefined
    return {
      source: nameOf(this.source),
      known: this.pods.size,
      ...(this.takenMs === undefined ? {} : { taken_ms: this.takenMs }),
      ...(this.problem === undefined ? {} : { problem: this.problem })
    }
  }

  private turnTo(source: PodsSource | undefined): void {
    if (JSON.stringify(source) === JSON.stringify(this.source)) return
    this.source = source
    this.pods = noPods
    this.stamp = ""
    this.askedMs = -Infinity
    this.takenMs = undefined
    this.problem = undefined
  }

  private took(source: PodsSource, read: Result.Result<Pods, string>, atMs: number): Effect.Effect<void> {
    const before = this.problem
    this.problem = Result.isFailure(read) ? read.failure : undefined
    if (Result.isSuccess(read)) {
      this.pods = read.success
      this.takenMs = atMs
      return Effect.void
    }
    return before === this.problem
      ? Effect.void
      : Effect.logWarning(`${nameOf(source)}: ${read.failure}; names of pods are those known before`)
  }

  /** Looks whether the file has something new. Quick: for who holds a lock. */
  look(source: PodsSource | undefined): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      this.turnTo(source)
      if (source === undefined || !("file" in source)) return
      const stamp = stampOf(source.file)
      if (stamp === this.stamp) return
      this.stamp = stamp
      yield* this.took(source, readFile(source.file), yield* Clock.currentTimeMillis)
    })
  }

  /** Asks the server, where there is one and its time has come; whether it was asked. May take seconds. */
  ask(): Effect.Effect<boolean> {
    return Effect.gen({ self: this }, function* () {
      const { source } = this
      const nowMs = yield* Clock.currentTimeMillis
      if (source === undefined || "file" in source || nowMs - this.askedMs < source.everyMs) return false
      this.askedMs = nowMs
      const answer = yield* Effect.result(askPods(source satisfies PodsServer))
      // The configuration may have turned elsewhere meanwhile.
      if (this.source !== source) return false
      yield* this.took(source, answer, yield* Clock.currentTimeMillis)
      return true
    })
  }
}
