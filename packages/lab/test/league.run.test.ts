import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { parseEntry } from "../src/league/entries.ts"
import { lockFile, processStart } from "../src/league/leagueLock.ts"
import { readReport, reportMarkdown, reportText } from "../src/league/leagueReport.ts"
import { openSets } from "../src/league/outcomes.ts"
import { type BootOrder, type LeaguePlan, recordingFile, resultFile } from "../src/league/plan.ts"
import { resumeLeague, runLeague, scheduleOf, startLeague } from "../src/league/runLeague.ts"
import { parseWorkload } from "../src/league/workloads.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-league-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
let directories = 0
const fresh = (): string => join(scratch, `league-${directories++}`)

const plan: LeaguePlan = {
  version: 1,
  entries: ["senpai", "periodic", "slo", "tmo"].map((text) => Result.getOrThrow(parseEntry(text))),
  workloads: [Result.getOrThrow(parseWorkload("hotcold"))],
  repeats: 2,
  durationMs: 10_000,
  settleMs: 4000,
  slotsPerBoot: 6,
  memory: 2 ** 31,
  cpus: 2,
  icount: 2,
  kernelSeries: null
}

/** A guest that plays slots (they all fail) until it has played `lives` of them, and dies in the next one. */
const mortal = (directory: string, lives: () => number) => {
  const played: Array<string> = []
  const guest = (order: BootOrder, _file: string, onSlot: (id: string) => void): Effect.Effect<string | undefined> =>
    Effect.sync(() => {
      let left = lives()
      for (const { id } of order.slots) {
        onSlot(id)
        if (left-- <= 0) return "it fell over"
        played.push(id)
        writeFileSync(resultFile(directory, id), JSON.stringify({ id, exit_code: 1, trouble: "a test", samples: [] }))
      }
      return undefined
    })
  return { guest, played }
}

const quiet = { onStart: () => undefined, onSlot: () => undefined, onDeath: () => undefined }
const started = Effect.fnUntraced(function* () {
  const directory = fresh()
  yield* startLeague(directory, plan)
  return directory
})

describe("a league", () => {
  it.effect("plays every slot once", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      const { guest, played } = mortal(directory, () => Infinity)
      let said: ReadonlyArray<number> = []
      yield* runLeague({ plan, directory, wmo: [], guest, progress: { ...quiet, onStart: (...args) => (said = args) } })
      const all = scheduleOf(plan).flatMap(({ slots }) => slots.map(({ id }) => id))
      assert.deepStrictEqual(played, all)
      assert.deepStrictEqual(said.slice(0, 2), [12, 0])
      assert.deepStrictEqual(openSets(directory, scheduleOf(plan)), [])
    })
  )

  it.effect("goes on after guests that died, with the set they were in, and gives that up the second time", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      // The first guest dies in its second set, and so does the one after it.
      const lives = [4, 1, Infinity, Infinity]
      const { guest, played } = mortal(directory, () => lives.shift()!)
      const deaths: Array<boolean> = []
      yield* runLeague({ plan, directory, wmo: [], guest, progress: { ...quiet, onDeath: (_why, again) => deaths.push(again) } })
      assert.deepStrictEqual(deaths, [true, false])
      const [first, second, ...others] = scheduleOf(plan)
      assert.deepStrictEqual(
        openSets(directory, scheduleOf(plan)).map(({ id }) => id),
        [second!.id]
      )
      assert.deepStrictEqual(new Set(played).size, 3 + 1 + others.flatMap(({ slots }) => slots).length)
      assert.deepStrictEqual(
        played.filter((id) => first!.slots.some((slot) => slot.id === id)),
        first!.slots.map(({ id }) => id)
      )
    })
  )

  it.effect("is resumed where it stopped, and says how much of it is done", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      yield* runLeague({ plan, directory, wmo: [], guest: mortal(directory, () => Infinity).guest, stopAfterMs: -1, progress: quiet })
      assert.strictEqual(openSets(directory, scheduleOf(plan)).length, 4)
      // The first set is whole; of the second only a slot, and half a file.
      const [first, second] = scheduleOf(plan)
      for (const { id } of [...first!.slots, second!.slots[0]!])
        writeFileSync(resultFile(directory, id), JSON.stringify({ id, exit_code: 0, trouble: "a test", samples: [] }))
      writeFileSync(resultFile(directory, second!.slots[1]!.id), '{"id":')
      const again = yield* resumeLeague(directory)
      assert.deepStrictEqual(again, plan)
      const { guest, played } = mortal(directory, () => Infinity)
      let said: ReadonlyArray<number> = []
      yield* runLeague({ plan: again, directory, wmo: [], guest, progress: { ...quiet, onStart: (...args) => (said = args) } })
      assert.deepStrictEqual(said.slice(0, 2), [12, 3])
      assert.strictEqual(played.length, 9)
      assert.strictEqual(played[0], second!.slots[0]!.id)
    })
  )

  it.effect("takes a slot whose file says nothing for one that was not played", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      const [first] = scheduleOf(plan)
      const texts = ["null", "{}", JSON.stringify({ id: "x", exit_code: 0, trouble: null, samples: [null] })]
      first!.slots.forEach(({ id }, i) => writeFileSync(resultFile(directory, id), texts[i]!))
      const report = yield* readReport(directory, plan)
      assert.deepStrictEqual([report.played, report.rows], [0, []])
      assert.strictEqual(openSets(directory, scheduleOf(plan)).length, 4)
    })
  )

  it.effect("has the slots of a set from one guest: what an earlier one played of it is played again", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      const [first] = scheduleOf(plan)
      // Two slots of the first set; the second guest dies in its first one.
      const lives = [2, 0]
      const { guest, played } = mortal(directory, () => lives.shift() ?? Infinity)
      yield* runLeague({ plan, directory, wmo: [], guest, progress: quiet })
      assert.strictEqual(played.length, 2 + 9)
      assert.deepStrictEqual(
        first!.slots.map(({ id }) => existsSync(resultFile(directory, id))),
        [false, false, false]
      )
    })
  )

  it.effect("gives up after two guests in a row that played nothing, not after one", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      let boots = 0
      const silent = () => Effect.sync(() => (boots++, "it did not come up"))
      const error = yield* Effect.flip(runLeague({ plan, directory, wmo: [], guest: silent, progress: quiet }))
      assert.strictEqual(boots, 2)
      assert.match(
        error.message,
        /^2 guests in a row did not get as far as a slot \(it did not come up\): when that is mended, go on with --resume \S+$/
      )
      const { guest } = mortal(directory, () => Infinity)
      const once: typeof guest = (...args) => (boots++ % 2 === 0 ? Effect.succeed("it did not come up") : guest(...args))
      yield* runLeague({ plan, directory, wmo: [], guest: once, progress: quiet })
      assert.deepStrictEqual(openSets(directory, scheduleOf(plan)), [])
    })
  )

  it.effect("is played by one process at a time; what one that was killed left is no hindrance", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      const { guest, played } = mortal(directory, () => Infinity)
      const run = { plan, directory, wmo: [], guest, progress: quiet }
      // This process's parent lives; another had its pid before, and one is gone.
      const other = lockFile(directory, process.ppid, processStart(process.ppid)!)
      writeFileSync(other, "")
      const refused = yield* Effect.flip(runLeague(run))
      assert.match(refused.message, new RegExp(`^a league is being played in \\S+ \\(pid ${process.ppid}\\): wait for it`))
      assert.deepStrictEqual(played, [])
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.endsWith(".lock")),
        [basename(other)]
      )
      rmSync(other)
      for (const [pid, start] of [
        [process.ppid, "1"],
        [2 ** 22 + 1, "1"]
      ] as const)
        writeFileSync(lockFile(directory, pid, start), "")
      let refusedInside: string | undefined
      const nested: typeof guest = (...args) =>
        Effect.flip(runLeague(run)).pipe(
          Effect.tap(({ message }) => Effect.sync(() => void (refusedInside = message))),
          Effect.andThen(guest(...args)),
          Effect.orDie
        )
      yield* runLeague({ ...run, guest: nested })
      assert.match(refusedInside!, new RegExp(`\\(pid ${process.pid}\\)`))
      assert.strictEqual(played.length, 12)
      assert.deepStrictEqual(
        readdirSync(directory).filter((name) => name.endsWith(".lock")),
        []
      )
      // Nothing is left to play: nobody has to wait for that.
      writeFileSync(other, "")
      yield* runLeague(run)
    })
  )

  it.effect("is not started over another one, nor resumed where there is none", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      assert.match((yield* Effect.flip(startLeague(directory, plan))).message, /is not empty: go on with it by --resume/)
      const other = fresh()
      mkdirSync(other)
      writeFileSync(join(other, "a"), "")
      assert.match((yield* Effect.flip(startLeague(join(other, "a"), plan))).message, /^--out \S+: .*EEXIST/)
      assert.match((yield* Effect.flip(startLeague(join(other, "a", "b"), plan))).message, /^--out \S+: .*ENOTDIR/)
      assert.match((yield* Effect.flip(startLeague(other, plan))).message, /is not empty: give an empty/)
      assert.match((yield* Effect.flip(resumeLeague(other))).message, /there is no league/)
      writeFileSync(join(other, "league.json"), "{")
      assert.match((yield* Effect.flip(resumeLeague(other))).message, /cannot be read/)
      for (const json of ['{"version":9}', '{"version":1}', "null", "[]", JSON.stringify({ ...plan, repeats: 1e9 })]) {
        writeFileSync(join(other, "league.json"), json)
        assert.match((yield* Effect.flip(resumeLeague(other))).message, /league\.json is not a league of this wmo/)
      }
    })
  )

  it.effect("is reported before anything was played, and where everything failed", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      assert.strictEqual(reportText(yield* readReport(directory, plan)), "nothing was played yet")
      const lives = [3]
      yield* runLeague({ plan, directory, wmo: [], guest: mortal(directory, () => lives.shift() ?? 0).guest, progress: quiet })
      const [first] = scheduleOf(plan)
      // A recording that is none.
      writeFileSync(recordingFile(directory, first!.slots[0]!.id), "nonsense")
      const report = yield* readReport(directory, plan)
      assert.isAbove(report.rows.length, 0)
      assert.deepStrictEqual(report.verdicts, [])
      assert.match(reportText(report), /failed 1×: (a test|.*not a wmo recording)/)
      assert.match(reportText(report), /9 of 12 slots were not played/)
      assert.match(reportMarkdown(report), /^- `hotcold`: `wmo workload hotcold .*--forget-every 20ms, 10\.0 s`$/m)
      assert.isAbove(readdirSync(directory).length, 3)
    })
  )

  it.effect("in which only the run without a policy was played, and failed, is not one of which nothing was played", () =>
    Effect.gen(function* () {
      const directory = yield* started()
      const { id } = scheduleOf(plan)[0]!.slots.find(({ entry }) => entry.label === "none")!
      writeFileSync(resultFile(directory, id), JSON.stringify({ id, exit_code: 1, trouble: "a test", samples: [] }))
      const text = reportText(yield* readReport(directory, plan))
      assert.match(text, /senpai .*failed 1×: the run without a policy beside it failed: a test/)
      assert.match(text, /11 of 12 slots were not played/)
    })
  )
})
