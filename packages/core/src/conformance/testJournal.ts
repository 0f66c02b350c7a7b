/** That the journal gives a machine back as it was, on whatever machine. */
import { assert, layer as withLayer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Cgroups } from "../Cgroups.ts"
import { Journal } from "../Journal.ts"
import { KernFs } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { memoryHigh, memoryLow } from "../Memcg.ts"
import { type ConformanceOptions, makeGroup, scratchName, sleeper } from "./scratch.ts"

const stateDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-conformance-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** Needs a mount with `memory` in the root's `cgroup.subtree_control`. */
export const testJournal = <E>(name: string, layer: Layer.Layer<KernFs | Cgroups, E>, options?: ConformanceOptions): void => {
  const scratch = scratchName(options, "journal")
  withLayer(layer, { excludeTestServices: true })(`Journal on ${name}`, (it) => {
    it.effect("gives memory.high back, removes what it created, keeps a busy group on record, and leaves no file behind", () =>
      Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const directory = yield* stateDirectory
        yield* makeGroup(scratch)
        yield* cgroups.write(scratch, memoryHigh, 512 * 2 ** 20)
        const { restore, mkdir, set } = yield* Effect.map(
          Layer.build(Journal.layer({ directory, command: "conformance" })),
          (context) => context.mapUnsafe.get(Journal.key) as Journal["Service"]
        )
        yield* set(cgroups.path(scratch, "memory.high"), "100M")
        yield* set(cgroups.path(scratch, "cgroup.subtree_control"), "+memory")
        yield* mkdir(cgroups.path(`${scratch}/ours`))
        yield* set(cgroups.path(`${scratch}/ours`, "memory.low"), "1M")
        assert.strictEqual(yield* cgroups.read(`${scratch}/ours`, memoryLow), 2 ** 20)
        const first = yield* Effect.scoped(Effect.andThen(sleeper(`${scratch}/ours`), restore))
        assert.deepStrictEqual(
          first.map(({ path, result }) => [path.slice(cgroups.path(scratch).length), result]),
          [
            ["/ours", "kept"],
            ["/ours/memory.low", "restored"],
            ["/cgroup.subtree_control", "kept"],
            ["/memory.high", "restored"]
          ]
        )
        assert.isNotEmpty(readdirSync(directory))
        assert.strictEqual(yield* cgroups.read(scratch, memoryHigh), 512 * 2 ** 20)
        // The group that is still there would lose its limits and its accounts.
        assert.deepStrictEqual(yield* cgroups.enabledControllers(scratch), ["memory"])
        yield* Effect.repeat(restore, { until: (undone) => undone.every(({ result }) => result !== "kept"), times: 100 })
        assert.deepStrictEqual(yield* cgroups.enabledControllers(scratch), [])
        assert.isFalse(yield* cgroups.exists(`${scratch}/ours`))
        assert.deepStrictEqual(readdirSync(directory), [])
      })
    )

    it.effect("recovers what a dead process left", () =>
      Effect.gen(function* () {
        const fs = yield* KernFs
        const cgroups = yield* Cgroups
        const { proc } = yield* KernelRoots
        const directory = yield* stateDirectory
        yield* makeGroup(scratch)
        yield* fs.mkdir(cgroups.path(`${scratch}/left`))
        yield* cgroups.write(scratch, memoryHigh, 100 * 2 ** 20)
        const bootId = new TextDecoder().decode(yield* fs.read(`${proc}/sys/kernel/random/boot_id`)).trim()
        const lines = [
          { version: 1, pid: 4_194_000, startTime: "1", bootId, command: "gone" },
          { kind: "write", path: cgroups.path(scratch, "memory.high"), was: "max", is: "100M" },
          { kind: "write", path: cgroups.path(scratch, "memory.high"), was: "max", is: String(100 * 2 ** 20) },
          { kind: "mkdir", path: cgroups.path(`${scratch}/left`) }
        ]
        writeFileSync(`${directory}/journal-4194000-1.jsonl`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
        const [recovery] = yield* Journal.recover(directory)
        assert.deepStrictEqual(
          recovery?.undone.map(({ result }) => result),
          ["removed", "restored"]
        )
        assert.strictEqual(yield* cgroups.read(scratch, memoryHigh), "max")
        assert.deepStrictEqual(readdirSync(directory), [])
      })
    )
  })
}
