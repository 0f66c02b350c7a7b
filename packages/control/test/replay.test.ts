/** Open-loop replay: what it feeds, what it echoes, what it leaves alone. */
import { assert, describe, it } from "@effect/vitest"
import type { Observation } from "@wmo/monitors"
import { type AnyPolicy, decodeSettings, definePolicy, none, periodic, senpai } from "@wmo/policies"
import { Result } from "effect"
import { addTurn, countInputs, defaultGuardRails, makeReplay, missingInputs, noInputs, noTotals, type ReplayOptions } from "../src/index.ts"

const mib = 2 ** 20

const observation = (second: number, changes: Partial<Observation> = {}): Observation => ({
  group: "app",
  atMs: second * 1000,
  usage: { currentBytes: 400 * mib, swapCurrentBytes: 0, min: 0, low: 0, high: "max", max: "max" },
  stat: {},
  pressure: { some: { avg10: 0, avg60: 0, avg300: 0, totalUs: 0n } },
  pageAge: { source: "mglru", bins: [{ lowerMs: 60_000, upperMs: Infinity, anonBytes: 300 * mib, fileBytes: 0 }] },
  machine: { memTotalBytes: 2 ** 31, memAvailableBytes: 2 ** 30, swapTotalBytes: 2 ** 30, swapFreeBytes: 2 ** 30 },
  ...changes
})

const replayOf = (policy: AnyPolicy, changes: Partial<ReplayOptions> = {}) => {
  const settings = Result.getOrThrow(decodeSettings(policy.name, policy.settings, {})) as ReplayOptions["settings"]
  return makeReplay({ policy, settings, rails: defaultGuardRails, highWasMoved: false, ...changes })
}

const seconds = (count: number) => Array.from({ length: count }, (_, i) => i)

describe("replay", () => {
  it("is deterministic, and keeps to the guard rails' budgets though nothing is reclaimed", () => {
    const rails = { ...defaultGuardRails, stepBytes: 64 * mib, perMinuteBytes: 100 * mib }
    const run = () => {
      const next = replayOf(periodic, { rails })
      return seconds(60).map((second) => next(observation(second)))
    }
    const steps = run()
    assert.deepStrictEqual(run(), steps)
    const totals = steps.reduce(
      (sum, { verdicts }) =>
        addTurn(
          sum,
          verdicts.map(({ asked, verdict }) => ({ asked, allowed: verdict.allowed }))
        ),
      noTotals
    )
    // 64 MiB, then the rest of the minute's 100: the recorded memory has not become less.
    assert.strictEqual(totals.reclaims, 2)
    assert.strictEqual(totals.reclaim_allowed_bytes, 100 * mib)
    assert.strictEqual(steps.at(-1)!.observation.usage.currentBytes, 400 * mib)
  })

  it("shows a policy the limit that it has set itself, in whole pages", () => {
    const seen: Array<number | string> = []
    const setter = definePolicy({
      name: "setter",
      summary: "",
      source: "",
      settings: {},
      needs: [],
      initialState: 0,
      decide: ({ observation }, turn: number) => {
        seen.push(observation.usage.high)
        return { actions: turn === 1 ? [{ _tag: "SetHigh", limit: 200 * mib + 5 }] : [], reason: "turn", state: turn + 1 }
      }
    })
    const next = replayOf(setter)
    const moved = { ...observation(0).usage, high: 300 * mib }
    for (const second of seconds(3)) next(observation(second, second === 0 ? {} : { usage: { ...moved, high: "max" } }))
    assert.deepStrictEqual(seen, ["max", "max", 200 * mib])

    // Another policy's limits are not this one's: it finds what was there at the start.
    seen.length = 0
    const after = replayOf(setter, { highWasMoved: true })
    after(observation(0))
    after(observation(1, { usage: moved }))
    assert.deepStrictEqual(seen, ["max", "max"])

    // A limit that an administrator has is seen, and refused to be changed.
    seen.length = 0
    const held = replayOf(setter)
    held(observation(0, { usage: moved }))
    const { verdicts } = held(observation(1, { usage: moved }))
    assert.deepStrictEqual(seen, [300 * mib, 300 * mib])
    assert.isUndefined(verdicts[0]!.verdict.allowed)
  })

  it("does not ask before the warm-up is over", () => {
    const next = replayOf(senpai, { warmupMs: 3000 })
    const asked = seconds(5).map((second) => next(observation(second)).reason !== undefined)
    assert.deepStrictEqual(asked, [false, false, false, true, true])
  })

  it("warms up once: a clock that is set back does not begin it anew (regression: an hour back was an hour without the policy)", () => {
    const asked = (secondsSeen: ReadonlyArray<number>) => {
      const next = replayOf(senpai, { warmupMs: 3000 })
      return secondsSeen.map((second) => next(observation(second)).reason !== undefined)
    }
    assert.deepStrictEqual(asked([5000, 5001, 5002, 5003, 1000, 1001]), [false, false, false, true, true, true])
    assert.deepStrictEqual(asked([5000, 5001, 1000, 1001, 1002, 1003]), [false, false, false, false, false, true])
  })

  it("takes swap that is not known for enough, not for none", () => {
    const unknown = { memTotalBytes: 0, memAvailableBytes: 0, swapTotalBytes: 0, swapFreeBytes: 0 }
    const next = replayOf(periodic)
    const asked = seconds(15).flatMap((second) => next(observation(second, { machine: unknown })).verdicts.map(({ asked }) => asked._tag))
    assert.include(asked, "Reclaim")
  })

  it("says what a policy needs and the recording lacks", () => {
    const bare = observation(0, { pageAge: undefined, pressure: undefined })
    const inputs = [bare, bare].reduce(countInputs, noInputs)
    assert.deepStrictEqual(missingInputs(periodic, inputs), ["it holds no page ages"])
    assert.deepStrictEqual(missingInputs(senpai, inputs), ["it holds no pressure"])
    assert.deepStrictEqual(missingInputs(none, inputs), [])
    assert.deepStrictEqual(missingInputs(periodic, countInputs(inputs, observation(2))), [])
    assert.isTrue(countInputs(inputs, observation(2)).knowsMachine)
  })

  it("goes on when a policy throws", () => {
    const broken: AnyPolicy = {
      ...none,
      decide: () => {
        throw new Error("no idea")
      }
    }
    const step = replayOf(broken)(observation(0))
    assert.include(step.reason, "no idea")
    assert.deepStrictEqual(step.verdicts, [])
  })
})
