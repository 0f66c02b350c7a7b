/**
 * Ages that are known, on the kernel that runs: a workload whose blocks are used every 1 s, 5 s, 20 s and never, and a burst of what was cold.
 * A second one, the same with blocks of next to nothing, says what its runtime has: that is taken off. As root in a VM guest.
 */
import "../../../tooling/inGuest.ts"
import { assert, describe, it } from "@effect/vitest"
import {
  Cgroups,
  Damon,
  DamonTrace,
  IdlePages,
  Journal,
  KernFs,
  Mglru,
  type Milliseconds,
  PageMap,
  pageSize,
  Processes,
  WorkingSet
} from "@wmo/core"
import { Effect, Layer } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chooseAgeSource, type FarMemory, type FarMemoryEntries, makeFarMemory } from "../src/index.ts"

const mib = 2 ** 20
const blockMib = 40
/** Seconds; 0: never. The last one is for the burst. */
const periods = [1, 5, 20, 0, 0]
const root = "/sys/fs/cgroup"
const program = new URL("./fixtures/knownAges.mjs", import.meta.url).pathname

const kernel = Layer.mergeAll(Damon.layer, DamonTrace.layer, Processes.layer, IdlePages.layer, Mglru.layer, WorkingSet.layer).pipe(
  Layer.provideMerge(Layer.mergeAll(PageMap.layer, Cgroups.layer)),
  Layer.provideMerge(KernFs.layer)
)

interface Workload {
  readonly group: string
  readonly child: ChildProcess
  /** When each block was used last, milliseconds since 1970. */
  readonly usedMs: Array<number>
}

const start = (group: string, blockOf: number) =>
  Effect.acquireRelease(
    Effect.promise(async (): Promise<Workload> => {
      mkdirSync(join(root, group))
      // In the group before it allocates: memory stays charged to where it was first used.
      const joining = `echo $$ > ${root}/${group}/cgroup.procs; exec "$0" "$@"`
      const args = [process.execPath, program, String(blockOf), ...periods.map(String)]
      const child = spawn("/bin/sh", ["-c", joining, ...args], { stdio: ["pipe", "pipe", "inherit"] })
      const workload: Workload = { group, child, usedMs: [] }
      let rest = ""
      await new Promise<void>((ready) =>
        child.stdout.on("data", (data) => {
          const lines = (rest + String(data)).split("\n")
          rest = lines.pop()!
          for (const line of lines) {
            const said = JSON.parse(line) as { block?: number; at?: number }
            if (said.block === undefined) ready()
            else workload.usedMs[said.block] = said.at!
          }
        })
      )
      return workload
    }),
    ({ child, group }) =>
      Effect.promise(async () => {
        const ended = new Promise((resolve) => child.once("close", resolve))
        child.kill("SIGKILL")
        await ended
        for (let i = 0; i < 50; i++) {
          try {
            return rmdirSync(join(root, group))
          } catch {
            await new Promise((resolve) => setTimeout(resolve, 100))
          }
        }
      })
  )

const coldOf = ({ coldAges }: FarMemoryEntries, group: string): ReadonlyMap<Milliseconds, number> =>
  new Map(coldAges.find(({ subject }) => subject.name === group)?.bins.map(({ bytes, thresholdMs }) => [thresholdMs, bytes]))

const promotedOf = ({ promotions }: FarMemoryEntries, group: string, atLeastMs: Milliseconds): number =>
  (promotions.find(({ subject }) => subject.name === group)?.bins ?? []).reduce(
    (sum, { lowerMs, pages }) => sum + (lowerMs >= atLeastMs ? pages * pageSize : 0),
    0
  )

/** Thresholds at which nothing is about to become as old: how old it is depends on where in an interval one looks. */
const settled = (workload: Workload, thresholds: ReadonlyArray<Milliseconds>, nowMs: Milliseconds, marginMs: Milliseconds) =>
  thresholds.filter((threshold) => workload.usedMs.every((used) => Math.abs(nowMs - used - threshold) > marginMs))

const truth = (workload: Workload, threshold: Milliseconds, nowMs: Milliseconds): number =>
  workload.usedMs.filter((used) => nowMs - used >= threshold).length * blockMib * mib

const inGuest = <A, E>(
  body: (directory: string) => Effect.Effect<A, E, Layer.Success<typeof kernel> | Journal | import("effect").Scope.Scope>
) =>
  Effect.suspend(() => {
    const directory = mkdtempSync(join(tmpdir(), "wmo-far-"))
    writeFileSync(join(root, "cgroup.subtree_control"), "+memory")
    return Effect.scoped(body(directory)).pipe(
      Effect.provide(Layer.provideMerge(Journal.layer({ directory, command: "test" }), kernel)),
      Effect.andThen(
        Effect.sync(() => {
          assert.deepStrictEqual(readdirSync(directory), [], "all is given back")
          rmSync(directory, { recursive: true })
        })
      )
    )
  })

const print = (text: string) => Effect.sync(() => void process.stdout.write(`${text}\n`))
const inMib = (bytes: number): string => (bytes / mib).toFixed(1)

describe("far memory on a real kernel", () => {
  it.live("known ages: cold bytes of DAMON within 10 %, of MGLRU with their error stated; a burst of promotions within 15 %", () =>
    inGuest(() =>
      Effect.gen(function* () {
        const groups = ["wmo-known", "wmo-known-runtime"]
        const workload = yield* start(groups[0]!, blockMib)
        yield* start(groups[1]!, 1 / 64)
        // Debian's 6.1 has MGLRU off.
        const mglru = yield* Mglru
        if (!(yield* mglru.enabled)) yield* (yield* Journal).set(mglru.settingPath("enabled"), "y")
        const { source, why } = yield* chooseAgeSource("auto", groups[0]!)
        yield* print(`page ages from ${source}: ${why}`)
        const hasDamon = yield* (yield* Damon).isPresent
        assert.strictEqual(source, hasDamon ? "damon-vaddr" : "mglru")

        const follow = Effect.fnUntraced(function* (name: "mglru" | "damon-vaddr") {
          const made = yield* makeFarMemory({
            source: name,
            groups: () => groups,
            workingSetMs: 10_000,
            ...(name === "mglru" ? { ageEveryMs: 4000 } : {})
          })
          yield* Effect.forkScoped(made.run)
          return made
        })
        const compare = Effect.fnUntraced(function* (name: string, made: FarMemory, isExact: boolean) {
          const entries = yield* made.take
          const now = Date.now()
          const cold = coldOf(entries, groups[0]!)
          const runtime = coldOf(entries, groups[1]!)
          const thresholds = settled(workload, [...cold.keys()], now, isExact ? 2500 : 0)
          let worst = 0
          for (const threshold of thresholds) {
            const is = cold.get(threshold)! - (runtime.get(threshold) ?? 0)
            const should = truth(workload, threshold, now)
            if (should === 0) assert.isBelow(isExact ? is : 0, 0.1 * blockMib * mib, `${name}, idle for ${threshold} ms`)
            else worst = Math.max(worst, Math.abs(is - should) / should)
            yield* print(`${name}: idle for ${threshold / 1000} s: ${inMib(is)} MiB, in truth ${inMib(should)} MiB`)
          }
          if (isExact) {
            assert.isAtLeast(thresholds.length, 2)
            assert.isBelow(worst, 0.1, `${name} is off by ${(worst * 100).toFixed(1)} %`)
          }
          return worst
        })

        // One after the other: both clear accessed bits, and each then misses what the other has seen.
        const measured = Effect.gen(function* () {
          const far = yield* follow("damon-vaddr")
          // Long enough for ages to be told from one another.
          yield* Effect.sleep("26 seconds")
          const worst = yield* compare("damon-vaddr", far, true)
          yield* print(`damon-vaddr: at most ${(worst * 100).toFixed(1)} % off`)
          // The burst: what was never used is used at once.
          yield* far.take
          workload.child.stdin!.write("burst 4\n")
          yield* Effect.sleep("5 seconds")
          const entries = yield* far.take
          // The block that is used every 20 s may have been, too: it was in the bin below.
          const came = promotedOf(entries, groups[0]!, 20_000) - promotedOf(entries, groups[1]!, 20_000)
          const late = workload.usedMs.some((used, i) => periods[i] === 20 && used > workload.usedMs[4]! - 2000)
          yield* print(`promotions of the burst: ${inMib(came)} MiB of ${blockMib} MiB${late ? ", and the block of 20 s" : ""}`)
          assert.isBelow(Math.abs(came - blockMib * mib * (late ? 2 : 1)), 0.15 * blockMib * mib)
          assert.isFalse(entries.promotions[0]?.isEstimate)
        })
        if (hasDamon) yield* Effect.scoped(measured)

        const far = yield* follow("mglru")
        yield* Effect.sleep("18 seconds")
        const error = yield* compare("mglru", far, false)
        yield* print(`mglru: up to ${(error * 100).toFixed(1)} % off`)
      })
    )
  )
})
