/** What the actuator makes of `Evict` and `Age`, on the fake kernel: which generations, how much, and of which groups. */
import { assert, describe, it } from "@effect/vitest"
import { Damon, DamonModules, Journal, type LruGenNode, Processes } from "@wmo/core"
import { FakeKernel, type FakeKernelOptions, makeSimpleMemcg, type SimpleMemcg } from "@wmo/core/testing"
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

interface Evictable extends SimpleMemcg {
  /** Generations as told to evict up to; with several nodes, `NODE:SEQ`. */
  readonly evicted: Array<number | string>
}

/** Evicts what it is told to, oldest first, and no more; or nothing at all. `meanwhile` is what the group does during that. */
const memcgOf = (
  nodes: LruGenNode | ReadonlyArray<LruGenNode>,
  isStuck = false,
  meanwhile: (state: SimpleMemcg["state"]) => void = () => {}
): Evictable => {
  const all = [nodes].flat()
  const memcg = makeSimpleMemcg({ nodes: all })
  const evicted: Array<number | string> = []
  return {
    ...memcg,
    evicted,
    evict: (node, seq, pages = Infinity) => {
      if (isStuck) return
      let left = pages
      memcg.state.nodes = memcg.state.nodes.map((entry) => ({
        node: entry.node,
        generations: entry.generations.map((generation) => {
          const gone = entry.node === node && generation.seq <= seq ? Math.min(left, generation.anonPages) : 0
          left -= gone
          return { ...generation, anonPages: generation.anonPages - gone }
        })
      }))
      memcg.state.current -= (pages - left) * 4096
      evicted.push(all.length > 1 ? `${node}:${seq}` : seq)
      meanwhile(memcg.state)
    }
  }
}

/** `app` with two groups below it, `a` and `b`, once the machine is set up as `arrange` has it. */
const machine = (
  first: SimpleMemcg,
  second: SimpleMemcg,
  arrange: (kernel: FakeKernel) => void = () => {},
  options: FakeKernelOptions = {}
) => {
  const parent: SimpleMemcg = { ...makeSimpleMemcg({ current: 0, nodes: [aged(0, 0)] }), current: () => first.current() + second.current() }
  parent.state.nodes = []
  const models: Record<string, SimpleMemcg> = { app: parent, "app/a": first, "app/b": second }
  const kernel = new FakeKernel({ ...options, memcg: (name, limits) => models[name] ?? makeSimpleMemcg({ nodes: [] }, limits) })
  const enable = (directory: string) =>
    kernel.fs.writeSync(kernel.fs.openSync(`${directory}/cgroup.subtree_control`, 1), new TextEncoder().encode("+memory"))
  enable("/sys/fs/cgroup")
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  enable("/sys/fs/cgroup/app")
  for (const name of ["a", "b"]) kernel.fs.mkdirSync(`/sys/fs/cgroup/app/${name}`)
  arrange(kernel)
  const damon = Layer.mergeAll(Damon.layer, DamonModules.layer, Processes.layer)
  return Layer.provideMerge(
    damon,
    Layer.provideMerge(Journal.layer({ directory: mkdtempSync(join(scratch, "state-")), command: "test" }), kernel.layer)
  )
}

const write = (path: string, text: string) => (kernel: FakeKernel) => {
  kernel.fs.writeSync(kernel.fs.openSync(path, 1), new TextEncoder().encode(text))
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

describe("Evict of a tree and of several nodes", () => {
  for (const [file, bytes, left] of [
    ["memory.min", "max", 100],
    ["memory.low", String(90 * mib), 90]
  ] as const)
    it.effect(`leaves a group below it what its ${file} protects (regression: the kernel's command minds none)`, () => {
      const [a, b] = [memcgOf(aged(40 * mib, 0)), memcgOf(aged(40 * mib, 0))]
      return Effect.gen(function* () {
        const { act } = yield* actuator
        const outcome = yield* act({ _tag: "Evict", olderThanMs: 60_000, bytes: 100 * mib }, observation)
        assert.deepStrictEqual([a.state.current, b.state.current], [left * mib, 60 * mib])
        assert.strictEqual(outcome.reclaimedBytes, (100 - left + 40) * mib)
      }).pipe(Effect.scoped, Effect.provide(machine(a, b, write(`/sys/fs/cgroup/app/a/${file}`, bytes))))
    })

  it.effect(
    "takes of each node what is old there, though nodes number their generations by themselves (regression: young memory went)",
    () => {
      const young: LruGenNode = {
        node: 0,
        generations: [5, 6, 7, 8].map((seq, i) => ({ seq, ageMs: 9000 - 2000 * i, anonPages: pagesOf(20 * mib), filePages: 0 }))
      }
      const old = {
        node: 1,
        generations: aged(20 * mib, 0).generations.map((generation) => ({ ...generation, seq: generation.seq + 100 }))
      }
      const [a, b] = [memcgOf([young, old]), memcgOf(aged(0, 0))]
      return Effect.gen(function* () {
        const { act } = yield* actuator
        const outcome = yield* act({ _tag: "Evict", olderThanMs: 60_000, bytes: 100 * mib }, observation)
        assert.deepStrictEqual([...new Set(a.evicted)], ["1:101"])
        assert.strictEqual(outcome.reclaimedBytes, 20 * mib)
      }).pipe(Effect.scoped, Effect.provide(machine(a, b)))
    }
  )

  it.effect("counts against the budget what went, though the group grew meanwhile (regression: 960 MiB went and 0 were booked)", () => {
    const grow = (state: SimpleMemcg["state"]) => {
      state.current += 32 * mib
    }
    const [a, b] = [memcgOf(aged(96 * mib, 0), false, grow), memcgOf(aged(0, 0))]
    return Effect.gen(function* () {
      const { act, spent } = yield* actuator
      yield* act({ _tag: "Evict", olderThanMs: 60_000, bytes: 64 * mib }, observation)
      assert.strictEqual(spent().reclaims[0]?.bytes, 64 * mib)
      assert.strictEqual(a.state.nodes[0]!.generations[0]!.anonPages, pagesOf(32 * mib))
    }).pipe(Effect.scoped, Effect.provide(machine(a, b)))
  })
})

describe("Reclaim", () => {
  it.effect("says what is the matter where memory.reclaim knows no swappiness, and does not book what did not go", () => {
    const old: SimpleMemcg = makeSimpleMemcg({ nodes: [] })
    return Effect.gen(function* () {
      const { act, spent } = yield* actuator
      const outcome = yield* act({ _tag: "Reclaim", bytes: 8 * mib, swappiness: 0 }, observation)
      assert.strictEqual(outcome.status, "failed")
      assert.include(outcome.detail, "takes no swappiness (Linux 6.11 does)")
      assert.deepStrictEqual(spent().reclaims, [])
    }).pipe(Effect.scoped, Effect.provide(machine(old, old, () => {}, { reclaimSwappiness: "none" })))
  })
})

describe("Age", () => {
  it.effect("leaves out a group that goes away meanwhile, and goes on with the next (regression: the rest was not aged)", () => {
    const [a, b] = [memcgOf(aged(20 * mib, 0)), memcgOf(aged(0, 0))]
    let kernel: FakeKernel | undefined
    const vanishing: SimpleMemcg = {
      ...a,
      age: () => kernel?.fs.rmdirSync("/sys/fs/cgroup/app/b")
    }
    return Effect.gen(function* () {
      const { act } = yield* actuator
      assert.deepInclude(yield* act({ _tag: "Age" }, observation), { status: "done" })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        machine(vanishing, b, (made) => {
          kernel = made
        })
      )
    )
  })

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
