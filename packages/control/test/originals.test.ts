/**
 * `periodic` and `senpai` decide on replay what their originals decided. WMO's agent: on its own recordings, where this machine has them, against
 * its rule and against what its kernel then stole. senpai.py: against its loop, written down again from its description, over random stalls.
 */
import { assert, describe, it } from "@effect/vitest"
import { pageSize } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import { type AnyPolicy, decodeSettings, periodic, senpai } from "@wmo/policies"
import { anObservation } from "@wmo/policies/testing"
import { importWmoCsv, openRecording, readWmoCsv, Recorder } from "@wmo/recording"
import { Effect, Result, Stream } from "effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { defaultGuardRails, makeReplay } from "../src/index.ts"

const mib = 2 ** 20
const scratch = mkdtempSync(join(tmpdir(), "wmo-originals-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
/** Read where they are, never copied here: they carry no licence. */
const data = join(import.meta.dirname, "../../../../shared/data/wmo")
const inPages = (bytes: number) => Math.floor(bytes / pageSize) * pageSize

/** A guard that lets everything through: the originals had none. */
const rails = { ...defaultGuardRails, floorBytes: 0, stepBytes: Infinity, perMinuteBytes: Infinity }

const replayer = (policy: AnyPolicy, given: Record<string, string>) =>
  makeReplay({ policy, settings: Result.getOrThrow(decodeSettings(policy.name, policy.settings, given)), rails, highWasMoved: true })

const observationsOf = Effect.fnUntraced(function* (name: string) {
  const file = join(data, name)
  const out = join(scratch, `${name}.wmo`)
  yield* importWmoCsv(yield* readWmoCsv(file), file).pipe(Effect.provide(Recorder.layerFile(out)))
  return yield* Stream.runCollect((yield* openRecording(out)).replay(1))
}, Effect.scoped)

/** The original's rule: bins are labelled by their upper edge, and those from the threshold on are summed. */
const coldByLabel = ({ pageAge }: Observation, labelMs: number): number =>
  (pageAge?.bins ?? []).reduce((sum, bin) => (bin.upperMs >= labelMs ? sum + bin.anonBytes + bin.fileBytes : sum), 0)

const stolen = ({ stat }: Observation): number => Number(stat.pgsteal ?? 0n) * pageSize

/** Reclaims that can be seen: rows in which the count of stolen pages grows, and the row before the first of them. */
const events = (
  rows: ReadonlyArray<Observation>
): ReadonlyArray<{ readonly atMs: number; readonly before: Observation; readonly bytes: number }> => {
  const found: Array<{ atMs: number; before: Observation; bytes: number }> = []
  for (let i = 1; i < rows.length; i++) {
    const begin = i - 1
    while (i < rows.length && stolen(rows[i]!) > stolen(rows[i - 1]!)) i++
    const bytes = stolen(rows[i - 1]!) - stolen(rows[begin]!)
    if (bytes > 8 * mib) found.push({ atMs: rows[begin]!.atMs, before: rows[begin]!, bytes })
  }
  return found
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

const recordings = [
  // The label is 2000 ms, bins are half a second wide: what counts as cold is 1500 ms old at least.
  { name: "linux-kernel-periodic_policy_2000ms_cold_age_30s_reclaim_frequency_v1.csv", isPeriodic: true },
  { name: "linux-kernel-baseline.csv", isPeriodic: false }
]

describe("periodic and the original WMO agent", () => {
  for (const { isPeriodic, name } of recordings) {
    it.effect.skipIf(!existsSync(join(data, name)))(
      `${name} (skipped where the recordings are not there): asks for what the original asked for`,
      () =>
        Effect.gen(function* () {
          const rows = yield* observationsOf(name)
          const next = replayer(periodic, { cold_age: "1500ms", interval: "30s", least: "0" })
          const asked = rows
            .map(next)
            .flatMap(({ observation, verdicts }) =>
              verdicts.flatMap(({ asked: action }) => (action._tag === "Reclaim" ? [{ observation, bytes: action.bytes }] : []))
            )
          assert.isAtLeast(asked.length, 30)
          for (const { bytes, observation } of asked)
            assert.strictEqual(bytes, inPages(Math.min(coldByLabel(observation, 2000), observation.usage.currentBytes)))
          const gaps = asked.slice(1).map(({ observation }, i) => observation.atMs - asked[i]!.observation.atMs)
          // One a second is sampled: a period of 30 s is met within a sample.
          assert.isTrue(
            gaps.every((gap) => gap >= 29_900 && gap <= 92_000),
            gaps.join(" ")
          )
          assert.approximately(median(gaps), 30_500, 700)
          if (!isPeriodic) return
          const seen = events(rows)
          console.log(`${seen.length} reclaims of the original, median ${(median(seen.map(({ bytes }) => bytes)) / mib).toFixed(0)} MiB`)
          // What the agent asked for, by the row before: the kernel stole that much, give or take a few percent.
          const ratios = seen.map(({ before, bytes }) => bytes / coldByLabel(before, 2000))
          console.log(`stolen / asked: median ${median(ratios).toFixed(3)}`)
          assert.approximately(median(ratios), 1, 0.05)
          const period = median(seen.slice(1).map(({ atMs }, i) => atMs - seen[i]!.atMs))
          assert.approximately(period, 30_100, 1000)
        })
    )
  }
})

/** senpai.py's loop, once a second, as its dossier describes it. */
const senpaiPy = (totalsUs: ReadonlyArray<number>, currentBytes: number) => {
  const set = {
    min: 100 * mib,
    max: 100 * 1024 * mib,
    interval: 6,
    pressure: 10_000,
    maxProbe: 0.01,
    maxBackoff: 1,
    coeffProbe: 10,
    coeffBackoff: 20
  }
  const clamp = (limit: number) => inPages(Math.max(set.min, Math.min(set.max, limit)))
  let limit = clamp(currentBytes)
  const limits: Array<readonly [second: number, limit: number]> = [[0, limit]]
  let last = totalsUs[0]!
  let integral = 0
  let grace = set.interval
  totalsUs.forEach((total, second) => {
    integral += total - last
    last = total
    if (integral > set.pressure) {
      const error = integral / set.pressure
      limit = clamp(limit + limit * Math.min((error / set.coeffBackoff) ** 2 * set.maxBackoff, set.maxBackoff))
    } else if (grace > 0) {
      grace--
      return
    } else {
      const error = set.pressure / Math.max(integral, 1)
      limit = clamp(limit - limit * Math.min((error / set.coeffProbe) ** 2 * set.maxProbe, set.maxProbe))
    }
    integral = 0
    grace = set.interval - 1
    limits.push([second, limit])
  })
  return limits
}

const limitsOf = (observations: ReadonlyArray<Observation>) => {
  const next = replayer(senpai, {})
  return observations
    .map(next)
    .flatMap(({ verdicts }, second) =>
      verdicts.flatMap(({ asked }) => (asked._tag === "SetHigh" && asked.limit !== "max" ? [[second, asked.limit] as const] : []))
    )
}

const withStalls = (totalsUs: ReadonlyArray<number>, currentBytes: number) =>
  totalsUs.map((totalUs, second) =>
    anObservation({
      atMs: second * 1000,
      usage: { ...anObservation().usage, currentBytes },
      pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(totalUs) } }
    })
  )

describe("senpai and senpai.py", () => {
  it("halve the limit of a quiet group in 69 probes, which take seven minutes", () => {
    const quiet = Array.from({ length: 500 }, () => 0)
    const limits = limitsOf(withStalls(quiet, 1024 * mib))
    assert.deepStrictEqual(limits, senpaiPy(quiet, 1024 * mib))
    const [second] = limits.find(([, limit]) => limit <= 512 * mib)!
    assert.strictEqual(second, 69 * 6)
  })

  it.each([1, 2, 3, 4, 5])("set the same limits in the same seconds under random stalls (seed %i)", (first) => {
    let seed = first * 7919
    const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
    let total = 0
    // Mostly next to nothing, now and then up to forty times what is allowed.
    const totals = Array.from({ length: 900 }, () => (total += Math.floor(random() < 0.1 ? 400_000 * random() ** 4 : 2000 * random())))
    const limits = limitsOf(withStalls(totals, 700 * mib))
    assert.deepStrictEqual(limits, senpaiPy(totals, 700 * mib))
    // Both kinds of step occur, or this shows nothing.
    const steps = limits.slice(1).map(([, limit], i) => limit - limits[i]![1])
    assert.isTrue(steps.some((step) => step > 0) && steps.some((step) => step < 0))
  })

  it("just above what is allowed, back off by a quarter of a percent", () => {
    const totals = [0, 10_001]
    const [, [, limit]] = limitsOf(withStalls(totals, 1000 * mib)) as [unknown, readonly [number, number]]
    assert.approximately(limit / (1000 * mib), 1.0025, 1e-5)
    assert.deepStrictEqual(limitsOf(withStalls(totals, 1000 * mib)), senpaiPy(totals, 1000 * mib))
  })
})
