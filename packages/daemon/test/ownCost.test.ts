/** What wmod has used, on the process that runs the test. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { pbkdf2, pbkdf2Sync } from "node:crypto"
import { promisify } from "node:util"
import { OwnCost } from "../src/supervisor/ownCost.ts"

/** Takes a few tenths of a second. */
const work = ["secret", "salt", 400_000, 64, "sha512"] as const

/** CPU of the process, and how much of it is wmod's own, while something runs. */
const costOf = Effect.fnUntraced(function* (run: () => Promise<unknown>) {
  const own = yield* OwnCost
  const [ownBefore, allBefore] = [own(), process.cpuUsage()]
  yield* Effect.promise(run)
  const all = process.cpuUsage(allBefore)
  return { allMs: (all.user + all.system) / 1000, ownMs: own().cpuMs - ownBefore.cpuMs }
})

describe("wmod's own cost", () => {
  it.live("has what this thread does in it, and not what libuv's threads do", () =>
    Effect.gen(function* () {
      const here = yield* costOf(async () => pbkdf2Sync(...work))
      assert.isAbove(here.ownMs, here.allMs * 0.8)
      const elsewhere = yield* costOf(() => promisify(pbkdf2)(...work))
      assert.isBelow(elsewhere.ownMs, elsewhere.allMs * 0.3)
      assert.isAbove((yield* OwnCost)().rssBytes, 2 ** 20)
    })
  )
})
