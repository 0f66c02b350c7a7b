/**
 * DAMON actions on the kernel that runs: schemes and the module take memory from the group and are gone afterwards; what somebody else has set
 * up stays. As root in a VM guest.
 */
import "../../../tooling/inGuest.ts"
import { assert, describe, it } from "@effect/vitest"
import { Cgroups, Damon, DamonModules, Journal, KernFs, Machine, Mglru, WorkingSet } from "@wmo/core"
import { type AnyPolicy, damonReclaim, darc, decodeSettings, ethp, prcl } from "@wmo/policies"
import type { Outcome, Tick } from "@wmo/recording"
import { Effect, Layer, Result } from "effect"
import { existsSync, mkdtempSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { defaultGuardRails, makeLoop } from "../src/index.ts"
import type { GuardRails } from "../src/index.ts"
import { holder, makeGroup, readNumber } from "./fixtures/guestGroup.ts"

const mib = 2 ** 20
const kernel = Layer.mergeAll(Damon.layer, DamonModules.layer, Machine.layer, Mglru.layer, WorkingSet.layer).pipe(
  Layer.provideMerge(Cgroups.layer),
  Layer.provideMerge(Journal.layer({ directory: mkdtempSync(join(tmpdir(), "wmo-damon-acts-")), command: "guest test" })),
  Layer.provideMerge(KernFs.layer)
)
const kdamonds = "/sys/kernel/mm/damon/admin/kdamonds"

const loopFor = (group: string, policy: AnyPolicy, given: Record<string, string>, rails: Partial<GuardRails> = {}) =>
  makeLoop({
    group,
    policy,
    settings: Result.getOrThrow(decodeSettings(policy.name, policy.settings, given)),
    everyMs: 1000,
    rails: { ...defaultGuardRails, ...rails },
    dryRun: false,
    pageAge: "none"
  })

/** Ticks once a second until `isDone`, a minute at most. */
const tickUntil = Effect.fnUntraced(function* (
  tick: Effect.Effect<Tick, any>,
  isDone: (ticks: ReadonlyArray<Tick>) => boolean,
  atMost = 60
) {
  const ticks: Array<Tick> = []
  for (let i = 0; i < atMost; i++) {
    ticks.push(yield* tick)
    if (isDone(ticks)) break
    yield* Effect.sleep(1000)
  }
  return ticks
})

const outcomesOf = (ticks: ReadonlyArray<Tick>): ReadonlyArray<Outcome> => ticks.flatMap(({ outcomes }) => outcomes)

describe.skipIf(!existsSync(kdamonds))("DAMON actions", () => {
  it.live("darc takes a group's cold memory, and no other group's; afterwards nothing is set up", () =>
    Effect.gen(function* () {
      const damon = yield* Damon
      assert.deepStrictEqual(yield* damon.users, [])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-darc")
          const other = yield* makeGroup("wmo-darc-other")
          yield* holder(group, 120, 16)
          yield* holder(other, 60, 4)
          const before = { own: readNumber(group, "memory.current"), other: readNumber(other, "memory.current") }
          const { tick } = yield* loopFor(group, darc, { min_age: "3s", quota_ms: "0", refresh: "2s" }, { perMinuteBytes: 2 ** 40 })
          const ticks = yield* tickUntil(tick, () => readNumber(group, "memory.swap.current") > 60 * mib)
          const first = outcomesOf(ticks)[0]!
          assert.strictEqual(first.status, "done", first.detail)
          assert.include(first.detail ?? "", "set up for physical memory")
          assert.strictEqual((yield* damon.users).length, 1)
          const after = { own: readNumber(group, "memory.current"), other: readNumber(other, "memory.current") }
          const swapped = { own: readNumber(group, "memory.swap.current"), other: readNumber(other, "memory.swap.current") }
          console.log(
            `darc: ${ticks.length} s; own ${mibOf(before.own)} → ${mibOf(after.own)} MiB (${mibOf(swapped.own)} swapped), other ${mibOf(before.other)} → ${mibOf(after.other)} MiB (${mibOf(swapped.other)} swapped)`
          )
          assert.isAbove(swapped.own, 60 * mib)
          assert.isBelow(after.own, before.own)
          assert.isBelow(swapped.other, 2 * mib)
          assert.isTrue(
            outcomesOf(ticks).some(({ detail }) => detail?.includes("taken since") === true),
            "what was taken is told"
          )
        })
      )
      assert.deepStrictEqual(yield* damon.users, [])
      assert.strictEqual(readFileSync(`${kdamonds}/nr_kdamonds`, "utf8").trim(), "0")
    }).pipe(Effect.provide(kernel))
  )

  it.live("prcl follows processes that come and go, and is off at the group's floor", () =>
    Effect.gen(function* () {
      const damon = yield* Damon
      yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-prcl")
          yield* holder(group, 60, 4)
          // A stall would have it taken off for a while, which is not what is looked at here.
          const { tick } = yield* loopFor(group, prcl, { min_age: "2s", refresh: "2s", pressure_limit: "100%" }, { floorBytes: 0 })
          const waited = yield* tickUntil(tick, () => readNumber(group, "memory.swap.current") > 20 * mib)
          console.log(`prcl: ${waited.length} s, ${mibOf(readNumber(group, "memory.swap.current"))} MiB swapped`)
          assert.isAbove(readNumber(group, "memory.swap.current"), 20 * mib)
          const told = yield* Effect.scoped(
            Effect.gen(function* () {
              yield* holder(group, 20, 4)
              return outcomesOf(yield* tickUntil(tick, (ticks) => outcomesOf(ticks).some(({ detail }) => /2 processes/.test(detail ?? ""))))
            })
          )
          assert.isTrue(
            told.some(({ detail, status }) => status === "done" && /changed for 2 processes/.test(detail ?? "")),
            JSON.stringify(told.map(({ detail }) => detail))
          )
          const gone = outcomesOf(
            yield* tickUntil(tick, (ticks) => outcomesOf(ticks).some(({ detail }) => /started anew for 1 process/.test(detail ?? "")))
          )
          assert.isTrue(
            gone.some(({ detail }) => /started anew for 1 process/.test(detail ?? "")),
            JSON.stringify(gone.map(({ detail }) => detail))
          )
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-prcl-floor")
          yield* holder(group, 60, 4)
          const floorBytes = readNumber(group, "memory.current") - 8 * mib
          // No quota: it counts address space, and this program's reservations, never touched, are a minute's worth of 4 MiB/s.
          const { tick } = yield* loopFor(group, prcl, { min_age: "1s", refresh: "2s" }, { floorBytes })
          const ticks = yield* tickUntil(tick, (all) => outcomesOf(all).some(({ detail }) => detail?.includes("floor") === true))
          const off = outcomesOf(ticks).find(({ detail }) => detail?.includes("floor") === true)
          assert.include(off?.detail ?? "", "the group is at its floor")
          assert.deepStrictEqual(yield* damon.users, [])
        })
      )
    }).pipe(Effect.provide(kernel))
  )

  it.live("ethp asks for huge pages, and its schemes are gone afterwards", () =>
    Effect.gen(function* () {
      const damon = yield* Damon
      yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-ethp")
          yield* holder(group, 20, 20)
          const { tick } = yield* loopFor(group, ethp, {})
          const [first] = (yield* tick).outcomes
          assert.strictEqual(first?.status, "done", first?.detail)
          const [own] = yield* damon.read
          assert.deepStrictEqual(
            own?.contexts[0]?.schemes.map(({ action }) => action),
            ["hugepage", "nohugepage"]
          )
        })
      )
      assert.deepStrictEqual(yield* damon.users, [])
    }).pipe(Effect.provide(kernel))
  )

  it.live("leaves what somebody else has set up alone", () =>
    Effect.gen(function* () {
      const fs = yield* KernFs
      const damon = yield* Damon
      yield* fs.write(`${kdamonds}/nr_kdamonds`, "1")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-theirs")
          yield* holder(group, 20, 4)
          for (const policy of [darc, prcl]) {
            const { tick } = yield* loopFor(group, policy, {})
            const [outcome] = (yield* tick).outcomes
            assert.strictEqual(outcome?.status, "failed")
            assert.include(outcome?.detail ?? "", "in use by somebody: kdamond 0")
          }
        })
      )
      assert.lengthOf(yield* damon.users, 1)
      yield* fs.write(`${kdamonds}/nr_kdamonds`, "0")
    }).pipe(Effect.provide(kernel))
  )

  it.live("DAMON_RECLAIM runs with the policy's parameters, and is as it was afterwards", () =>
    Effect.gen(function* () {
      const modules = yield* DamonModules
      const before = yield* modules.read("damon_reclaim")
      assert.strictEqual(before?.enabled, false)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const group = yield* makeGroup("wmo-reclaim")
          yield* holder(group, 120, 8)
          const given = {
            min_age: "2s",
            quota_ms: "0",
            wmark_high: "100%",
            wmark_mid: "99.9%",
            wmark_low: "0.1%",
            wmark_interval: "1s",
            refresh: "2s"
          }
          const { tick } = yield* loopFor(group, damonReclaim, given)
          const ticks = yield* tickUntil(tick, () => readNumber(group, "memory.swap.current") > 20 * mib, 10)
          const first = outcomesOf(ticks)[0]
          assert.strictEqual(first?.status, "done", first?.detail)
          const now = yield* modules.read("damon_reclaim")
          assert.strictEqual(now?.enabled, true)
          assert.strictEqual(now?.minAgeUs, 2_000_000)
          console.log(
            `damon-reclaim: ${ticks.length} s, ${mibOf(readNumber(group, "memory.swap.current"))} MiB of the group swapped, tried ${now?.nrTriedRegions} regions`
          )
        })
      )
      const after = yield* modules.read("damon_reclaim")
      assert.deepStrictEqual(
        { enabled: after?.enabled, minAgeUs: after?.minAgeUs, quotaMs: after?.quotaMs },
        { enabled: false, minAgeUs: before?.minAgeUs, quotaMs: before?.quotaMs }
      )
    }).pipe(Effect.provide(kernel))
  )
})

const mibOf = (bytes: number): string => (bytes / mib).toFixed(0)
