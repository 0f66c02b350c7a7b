/** The file with the kubelet's list of pods, read again when it has changed. One that cannot be read leaves what was known before, and says so once. */
import { Effect, Result } from "effect"
import { readFileSync, statSync } from "node:fs"
import { type Pods, readPods } from "../containers/pods.ts"

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

export class PodsFile {
  pods: Pods = noPods
  private file: string | undefined
  private stamp = ""

  /** Looks whether there is something new; undefined: no file is given. */
  update(file: string | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (file === undefined || file !== this.file) this.pods = noPods
      const stamp = file === undefined ? "" : stampOf(file)
      const isKnown = file === this.file && stamp === this.stamp
      this.file = file
      this.stamp = stamp
      if (file === undefined || isKnown) return Effect.void
      const read = readFile(file)
      if (Result.isFailure(read)) return Effect.logWarning(`${file}: ${read.failure}; names of pods are those known before`)
      this.pods = read.success
      return Effect.void
    })
  }
}
