/**
 * A recording that is damaged, cut off, removed or replaced: the one that is being written, or those of before. Leaves the shared memory of SQLite's log
 * alone: to cut that off is the end of any process (SIGBUS), which the guest's campaign tries.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Fault } from "../Fault.ts"
import type { Seeded } from "../seeded.ts"
import type { Stage } from "../Stage.ts"

const filesOf = (stage: Stage): ReadonlyArray<string> => {
  const directory = stage.place("recordings")
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".wmo")) : []
}

const spoil = (stage: Stage, seeded: Seeded): void => {
  for (const name of filesOf(stage)) {
    const file = join(stage.place("recordings"), name)
    stage.spoilt.add(name)
    const bytes = readFileSync(file)
    switch (seeded.pick(["header", "pages", "cut", "emptied", "removed", "moved", "directory", "log cut"])) {
      case "header":
        seeded.bytes(100).copy(bytes)
        writeFileSync(file, bytes)
        break
      case "pages":
        for (let i = seeded.whole(1, 8); i > 0; i--) seeded.bytes(64).copy(bytes, seeded.whole(0, Math.max(0, bytes.length - 64)))
        writeFileSync(file, bytes)
        break
      case "cut":
        truncateSync(file, seeded.whole(0, bytes.length))
        break
      case "emptied":
        writeFileSync(file, "")
        break
      case "removed":
        rmSync(file)
        break
      case "moved":
        renameSync(file, `${file}.elsewhere`)
        break
      case "directory":
        rmSync(file)
        mkdirSync(file)
        break
      case "log cut":
        if (existsSync(`${file}-wal`)) truncateSync(`${file}-wal`, seeded.whole(0, readFileSync(`${file}-wal`).length))
        break
    }
  }
}

export const recordings: ReadonlyArray<Fault> = [
  {
    kind: "recording damaged while it is written",
    strike: async (stage, seeded) => {
      spoil(stage, seeded)
      await stage.pass(seeded.whole(1, 20))
      // Bytes that flip in what SQLite has in memory nobody sees before the file is closed: the next one must be in order.
      await stage.end()
    }
  },
  {
    kind: "recording damaged after a kill",
    strike: async (stage, seeded) => {
      await stage.pass(seeded.whole(0, 5))
      await stage.kill()
      spoil(stage, seeded)
    }
  }
]
