/**
 * How late ticks were, from recordings: a run's ticks have fixed times, and it says how many were missed before each, so what is later than its place is
 * late. Measured against the least late one of the run. Reads SQLite itself: `@wmo/recording` would take seconds to load under emulation.
 */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

export interface TickTimes {
  readonly runs: number
  readonly ticks: number
  readonly missed: number
  /** Of every tick, in milliseconds. */
  readonly lateMs: ReadonlyArray<number>
}

const ofRun = (rows: ReadonlyArray<{ readonly at_ms: number; readonly missed: number }>, everyMs: number) => {
  let place = -1
  const offsets = rows.map(({ at_ms, missed }) => {
    place += 1 + missed
    return at_ms - place * everyMs
  })
  const least = Math.min(...offsets)
  return { lateMs: offsets.map((offset) => offset - least), missed: place + 1 - rows.length }
}

/** Of all recordings in a directory. Throws where one does not open. */
export const tickTimes = (directory: string): TickTimes => {
  const lateMs: Array<number> = []
  let runs = 0
  let missed = 0
  for (const name of readdirSync(directory).filter((each) => each.endsWith(".wmo"))) {
    const database = new DatabaseSync(join(directory, name), { readOnly: true })
    try {
      for (const { every_ms, id } of database.prepare("SELECT id, every_ms FROM run").all()) {
        const rows = database.prepare("SELECT at_ms, missed FROM observation WHERE run_id = ? ORDER BY id").all(id!)
        if (rows.length === 0) continue
        const run = ofRun(rows as unknown as ReadonlyArray<{ at_ms: number; missed: number }>, Number(every_ms))
        lateMs.push(...run.lateMs)
        missed += run.missed
        runs++
      }
    } finally {
      database.close()
    }
  }
  return { runs, ticks: lateMs.length, missed, lateMs }
}
