/**
 * The process arena on the kernel that runs, in the VM as root: a real process is paged out and read in, is verified to the last byte, and stays
 * unharmed. Counts faults, not time; `bench/process.ts` is about time. That an arena which is killed does no harm: `apps/cli/test`.
 */
import "../../../tooling/inGuest.ts"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { findPredictor, none } from "../src/index.ts"
import { openProcessArena } from "../src/process/index.ts"
import { kernel } from "./support/processRun.ts"
import { StepTarget, until } from "./support/stepTarget.ts"

const mib = 2 ** 20
const kdamonds = "/sys/kernel/mm/damon/admin/kdamonds"
const settings = {
  chunkBytes: 2 ** 18,
  coldMs: 800,
  leastColdMs: 800,
  mostColdMs: 800,
  leastAgeMs: 500,
  followMs: 500,
  cpuPercent: 100,
  restoreCpuPercent: 100,
  mostPressurePercent: 100,
  leastConfidence: 0
}
/** Pages of what the target holds; it has a little more. */
const pages = (12 * mib) / 4096

const live = <A, E>(body: (target: StepTarget) => Effect.Effect<A, E, any>) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const target = new StepTarget()
      assert.strictEqual(await target.line(), "ready")
      return target
    }),
    (target) => body(target).pipe(Effect.scoped, Effect.provide(kernel)) as Effect.Effect<A, E, Scope.Scope>,
    (target) => Effect.sync(() => void target.child.kill("SIGKILL"))
  ).pipe(
    Effect.scoped,
    Effect.tap(() => Effect.sync(() => assert.strictEqual(readFileSync(`${kdamonds}/nr_kdamonds`, "utf8").trim(), "0")))
  )

describe.skipIf(!existsSync(kdamonds))("the process arena", () => {
  for (const by of ["syscall", "sysfs"] as const) {
    it.live(`by ${by}: pages out what is cold, and what it reads in early costs the target no major fault`, () =>
      live((target) =>
        Effect.gen(function* () {
          const arena = yield* openProcessArena({ pid: target.pid, mode: "advise", predictor: findPredictor("hinted")!, by, settings })
          const isOut = () => target.swappedBytes >= 11 * mib
          const wait = (what: string, isTrue: () => boolean) => Effect.promise(() => until(what, isTrue))
          const touch = Effect.promise(() => target.step("touch"))
          yield* wait("DAMON looks at it", () => arena.ranges().some(({ place }) => place === "hot" || place === "cold"))
          yield* touch
          yield* wait("all of it is out", isOut)
          const late = yield* touch
          // DAMON looks at a page of each chunk now and then: it sees more of what is touched for longer.
          for (let i = 0; i < 4; i++) yield* touch
          yield* wait("all of it is out again", isOut)
          yield* arena.activeSoon
          const isReadIn = Effect.promise(() => until("it is read in", () => arena.status().readInBytes >= 2 * mib).catch(() => "never"))
          if ((yield* isReadIn) === "never") console.log(arena.status().predictor, arena.decisions().slice(-20))
          yield* Effect.promise(() => sleep(2000))
          const early = yield* touch
          yield* arena.refresh
          const { demandBytes, pagedOutBytes, predictor, readInBytes } = arena.status()
          console.log(
            `by ${by}: ${late.major} major faults of ${pages} pages without reading in, ${early.major} with; out ${pagedOutBytes >> 20} MiB, read in ${readInBytes >> 20}, on demand ${demandBytes >> 20}; ${JSON.stringify(predictor.tally)}`
          )
          assert.deepStrictEqual([late.wrong, early.wrong], [0, 0])
          // The swap cache is read ahead by the kernel, too: not every page is a fault.
          assert.isAbove(late.major, pages / 16)
          assert.isAbove(readInBytes, 2 * mib)
          assert.isBelow(early.major, late.major - readInBytes / 4096 / 2)
          // A child has the same memory, out or in.
          yield* wait("all of it is out a third time", () => target.swappedBytes >= 4 * mib)
          assert.strictEqual((yield* Effect.promise(() => target.step("fork"))).wrong, 0)
          assert.strictEqual((yield* touch).wrong, 0)
        })
      )
    )
  }

  it.live("a target that is killed ends the arena", () =>
    live((target) =>
      Effect.gen(function* () {
        const arena = yield* openProcessArena({ pid: target.pid, mode: "advise", predictor: none, settings })
        yield* Effect.promise(() => until("some of it is out", () => target.swappedBytes > mib))
        target.child.kill("SIGKILL")
        assert.strictEqual(yield* arena.ended, "the process has ended")
      })
    )
  )
})
