/**
 * An arena's figures for other processes: a file for each arena in a directory that only this user can write, replaced every second, gone with the
 * scope. Whoever reads them gets what was last said; a program that dies leaves its file, which readers pass over and remove.
 */
import type { Milliseconds } from "@wmo/core"
import { Effect, type Scope } from "effect"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import type { Arena, ArenaStats } from "./Arena.ts"
import type { ArenaController, ControllerStatus } from "./controller/ArenaController.ts"

export interface PublishedStats {
  readonly pid: number
  readonly name: string
  /** When it was said, milliseconds since 1970, and how often it is. */
  readonly atMs: Milliseconds
  readonly everyMs: Milliseconds
  readonly stats: ArenaStats
  readonly controller: Omit<ControllerStatus, "settings"> | undefined
}

export interface PublishOptions {
  /** By default the program's file. */
  readonly name?: string
  readonly controller?: ArenaController
  /** A second by default. */
  readonly everyMs?: Milliseconds
}

/** Below `$XDG_RUNTIME_DIR`, else the directory for temporary files. */
export const statsDirectory = (): string => join(process.env["XDG_RUNTIME_DIR"] || tmpdir(), `wmo-arena-${process.getuid?.() ?? 0}`)

/** Whether it is ours alone: in a directory that everybody may write, somebody else could have made it. */
const isOurs = (directory: string): boolean => {
  const { mode, uid } = statSync(directory)
  return uid === (process.getuid?.() ?? 0) && (mode & 0o022) === 0
}

let published = 0

/** Publishes until the scope ends. What cannot be written is not published: statistics are no reason to fail. */
export const publishStats: (arena: Arena, options?: PublishOptions) => Effect.Effect<void, never, Scope.Scope> = Effect.fnUntraced(
  function* (arena, { controller, everyMs = 1000, name = basename(process.argv[1] ?? "node") } = {}) {
    const directory = statsDirectory()
    const file = join(directory, `${process.pid}-${published++}.json`)
    const write = Effect.sync(() => {
      const { settings: _, ...status } = controller?.status() ?? { settings: undefined }
      const said = { pid: process.pid, name, atMs: Date.now(), everyMs, stats: arena.stats(), controller: controller && status }
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 })
        if (!isOurs(directory)) return
        writeFileSync(`${file}.new`, JSON.stringify(said), { mode: 0o600 })
        renameSync(`${file}.new`, file)
      } catch {
        // A full disk, or no such directory: whoever asks is told of nothing.
      }
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(file, { force: true })))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(write, Effect.sleep(everyMs))))
  }
)

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (problem) {
    return (problem as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** What living programs of this user have published, by pid. Removes what dead ones left. */
export const readPublishedStats = (directory = statsDirectory()): ReadonlyArray<PublishedStats> => {
  const found: Array<PublishedStats> = []
  let files: ReadonlyArray<string>
  try {
    files = isOurs(directory) ? readdirSync(directory) : []
  } catch {
    return []
  }
  for (const name of files) {
    const [, pid] = /^(\d+)-\d+\.json(?:\.new)?$/.exec(name) ?? []
    if (pid === undefined) continue
    const file = join(directory, name)
    if (!isAlive(Number(pid))) rmSync(file, { force: true })
    else if (name.endsWith(".json")) {
      try {
        found.push(JSON.parse(readFileSync(file, "utf8")) as PublishedStats)
      } catch {
        // It ended just now.
      }
    }
  }
  return found.toSorted((a, b) => a.pid - b.pid)
}
