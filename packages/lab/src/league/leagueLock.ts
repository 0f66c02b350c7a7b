/**
 * Keeps two leagues out of one directory: who plays there leaves a file named for its process and looks for those of others that live. What a killed one left
 * is removed. Of two that begin at the same instant both may be refused, but never none.
 */
import { decodeSmall, isDead, processStat } from "@wmo/core"
import { Effect, type Scope } from "effect"
import { readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { vmError, type VmError } from "../vm/VmError.ts"

/** When a process started, in clock ticks since boot: with it a pid is no other's. Undefined where it is gone, or only waits for its parent. */
export const processStart = (pid: number): string | undefined => {
  const stat = decodeSmall(`/proc/${pid}/stat`, processStat)
  return stat === undefined || isDead(stat) ? undefined : String(stat.startTime)
}

/** The file of a process that plays. */
export const lockFile = (directory: string, pid: number, start: string): string => join(directory, `playing-${pid}-${start}.lock`)

/** Removes what dead ones left; the pid of another that lives. */
const otherPlayer = (directory: string, own: string): number | undefined => {
  for (const name of readdirSync(directory)) {
    const [, pid, start] = /^playing-(\d+)-(\d+)\.lock$/.exec(name) ?? []
    if (pid === undefined || join(directory, name) === own) continue
    if (processStart(Number(pid)) === start) return Number(pid)
    rmSync(join(directory, name), { force: true })
  }
  return undefined
}

const take = (directory: string): Effect.Effect<string, VmError> =>
  Effect.suspend(() => {
    const refused = (pid: number) =>
      vmError(
        "Usage",
        `a league is being played in ${directory} (pid ${pid}): wait for it, or see what it has with --resume and --report-only`
      )
    const own = lockFile(directory, process.pid, processStart(process.pid) ?? "0")
    try {
      writeFileSync(own, "", { flag: "wx" })
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return Effect.fail(code === "EEXIST" ? refused(process.pid) : vmError("Usage", `cannot play in ${directory}: ${message}`))
    }
    const other = otherPlayer(directory, own)
    if (other === undefined) return Effect.succeed(own)
    rmSync(own, { force: true })
    return Effect.fail(refused(other))
  })

/** Until the scope ends nobody else plays in this directory. Fails with one line where somebody does. */
export const lockLeague = (directory: string): Effect.Effect<void, VmError, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(take(directory), (own) => Effect.sync(() => rmSync(own, { force: true }))))
