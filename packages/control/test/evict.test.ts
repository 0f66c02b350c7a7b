/** What the actuator makes of `Evict` and `Age`, on the fake kernel: which generations, how much, and of which groups. */
import { assert, describe, it } from "@effect/vitest"
import { Damon, DamonModules, Journal, type LruGenNode, Processes } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg, type SimpleMemcg } from "@wmo/core/testing"
import { anObservation } from "@wmo/policies/testing"
import { Effect, Layer } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { makeActuator } from "../src/Actuator.ts"
import { defaultGuardRails } from "../src/index.ts"

const mib = 2 ** 20
const pagesOf = (bytes: number) => bytes / 4096
const scratch = mkdtempSync(join(tmpdir(), "wmo-evict-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** 100 MiB, of which so much has been idle for 60 s and for 30 s; the rest is young. */
const aged = (oldest: number, old: number): LruGenNode => ({
  node: 0,
  generations: [
    { seq: 1, ageMs: 90_000, anonPages: pagesOf(oldest), filePages: 0 },
    { seq: 2, ageMs: 60_000, anonPages: pagesOf(old), filePages: 0 },
    { seq: 3, ageMs: 30_000, anonPages: pagesOf(100 * mib - oldest - old), filePages: 0 },
    { seq: 4, ageMs: 10_000, anonPages: 0, filePages: 0 }
  ]
})

/** Evicts what it is told to, oldest first, and no more; or nothing at all. */
const memcgOf = (node: LruGenNode, isStuck = false): SimpleMemcg & { readonly evicted: Array<number> } => {
  const memcg = makeSimpleMemcg({ nodes: [node] })
  const evicted: Array<number> = []
  return {
    ...memcg,
    evicted,
    evict: (_, seq, pages = Infinity) => {
      if (isStuck) return
      let left = pages
      const generations = memcg.state.nodes[0]!.generations.map((generation) => {
        const gone = generation.seq <= seq ? Math.min(left, generation.anonPages) : 0
        left -= gone
        return { ...generation, anonPages: generation.anonPages - gone }
      })
      memcg.state.nodes = [{ node: 0, generations }]
      memcg.state.current -= (pages - left) * 4096
      evicted.push(seq)
    }
  }
}

/** `app` with two groups below it. */
const machine = (first: SimpleMemcg, second: SimpleMemcg) => {
  const parent: SimpleMemcg = { ...makeSimpleMemcg({ current: 0, nodes: [aged(0, 0)] }), current: () => first.current() + second.current() }
  parent.state.nodes = []
  const models: Record<string, SimpleMemcg> = { app: parent, "app/a": first, "app/b": second }
  const kernel = new FakeKernel({ memcg: (name, limits) => models[name] ?? makeSimpleMemcg({ nodes: [] }, limits) })
  const enable = (directory: string) =>
    kernel.fs.writeSync(kernel.fs.openSync(`${directory}/cgroup.subtree_control`, 1), new TextEncoder().encode("+memory"))
  enable("/sys/fs/cgroup")
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  enable("/sys/fs/cgroup/app")
  for (const name of ["a", "b"]) kernel.fs.mkdirSync(`/sys/fs/cgroup/app/${name}`)
  const damon = Layer.mergeAll(Damon.layer, DamonModules.layer, Processes.layer)
  return Layer.provideMerge(
    damon,
    Layer.provideMerge(Journal.layer({ directory: mkdtempSync(join(scratch, "state-")), command: "test" }), kernel.layer)
  )
}

const observation = anObservation({ group: "app", usage: { ...anObservation().usage, currentBytes: 200 * mib } })
const actuator = makeActuator({ rails: defaultGuardRails, dryRun: false })

describe("Evict", () => {
  it.effect("takes whole generations that are old enough, never one of the two youngest", () => {
    const [a, b] = [memcgOf(aged(20 * mib, 10 * mib)), memcgOf(aged(0, 0))]
    return Effect.gen(function* () {
      const { act } = yield* actuator
      const outcome = yield* act({ _tag: "Evict", olderThanMs: 60_000, bytes: 100 * mib }, observation)
      assert.deepInclude(outcome, { status: "done", reclaimedBytes: 20 * mib })
      assert.deepStrictEqual([...new Set(a.evicted)], [1])
      const all = yield* act({ _tag: "Evict", olderThanMs: 0, bytes: 100 * mib }, observation)
      assert.strictEqual(all.reclaimedBytes, 10 * mib)
      assert.deepStrictEqual(b.evicted, [])
    }).pipe(Effect.scoped, Effect.provide(machine(a, b)))
  })

  it.effect("takes no more than it may, over all groups together", () => {
    const [a, b] = [memcgOf(aged(20 * mib, 0)), memcgOf(aged(20 * mib, 0))]
    return Effect.gen(function* () {
      const { act, spent } = yield* actuator
      const outcome = yield* act({ _tag: "Evict", olderThanMs: 60_000, bytes: 25 * mib }, observation)
      assert.strictEqual(outcome.reclaimedBytes, 25 * mib)
      assert.deepStrictEqual([a.state.current, b.state.current], [80 * mib, 95 * mib])
      assert.strictEqual(spent().reclaims[0]?.bytes, 25 * mib)
    }).pipe(Effect.scoped, Effect.provide(machine(a, b)))
  })

  it.effect("goes on with the next group where the pages of one do not go (regression: it gave up)", () => {
    const [a, b] = [memcgOf(aged(20 * mib, 0), true), memcgOf(aged(20 * mib, 0))]
    return Effect.gen(function* () {
      const { act } = yield* actuator
      const outcome = yield* act({ _tag: "Evict", olderThanMs: 60_000, bytes: 100 * mib }, observation)
      assert.strictEqual(outcome.reclaimedBytes, 20 * mib)
      assert.strictEqual(b.state.current, 80 * mib)
    }).pipe(Effect.scoped, Effect.provide(machine(a, b)))
  })
})

describe("Age", () => {
  it.effect("makes a generation in every group of the tree that has pages", () => {
    const [a, b] = [memcgOf(aged(20 * mib, 0)), memcgOf(aged(0, 0))]
    const newest = ({ state }: SimpleMemcg) => state.nodes[0]!.generations.at(-1)!.seq
    return Effect.gen(function* () {
      const { act } = yield* actuator
      assert.strictEqual((yield* act({ _tag: "Age" }, observation)).status, "done")
      assert.deepStrictEqual([newest(a), newest(b)], [5, 5])
    }).pipe(Effect.scoped, Effect.provide(machine(a, b)))
  })
})
