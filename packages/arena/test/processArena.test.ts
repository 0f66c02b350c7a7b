/** The process arena on the fake kernel: what it pages out and reads in when, and that whatever becomes of the process is an ordinary event. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { findPredictor } from "../src/index.ts"
import { FakeTarget, mib } from "./support/fakeTarget.ts"

const reasons = (arena: { readonly decisions: () => ReadonlyArray<{ readonly reason: string }> }): string =>
  arena
    .decisions()
    .map(({ reason }) => reason)
    .join("\n")

describe("what is cold", () => {
  it.effect("is paged out after the cold age; what is used stays; DAMON is given back at the end", () => {
    const target = new FakeTarget()
    const hot = target.map(4)
    target.map(8)
    return Effect.gen(function* () {
      yield* target.run(
        Effect.gen(function* () {
          target.use(hot.start, 4)
          const arena = yield* target.open()
          yield* target.pass(1500)
          assert.strictEqual(target.swappedMib, 0)
          yield* target.pass(2500)
          assert.strictEqual(target.swappedMib, 8)
          yield* arena.refresh
          const { chunks, outBytes, pagedOutBytes, demandBytes } = arena.status()
          assert.deepInclude(
            { chunks, outBytes, pagedOutBytes, demandBytes },
            { outBytes: 8 * mib, pagedOutBytes: 8 * mib, demandBytes: 0 }
          )
          assert.match(reasons(arena), /chunks untouched for .* paged out: .*MiB went/)
          const out = arena.ranges().filter(({ place }) => place === "out")
          assert.strictEqual(
            out.reduce((sum, { swappedBytes }) => sum + swappedBytes, 0),
            8 * mib
          )
          // Used again, it is back, and that was not foreseen.
          target.use(hot.start, 4, false)
          target.use(BigInt(out[0]!.start), 2)
          yield* target.pass(1500)
          assert.strictEqual(arena.status().demandBytes, 2 * mib)
          assert.strictEqual(arena.status().predictor.tally.needed, 2)
        })
      )
      assert.isUndefined(target.kernel.damon!.running(0))
      assert.strictEqual(target.kernel.fs.text("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds").trim(), "0")
    })
  })

  it.effect("is neither what is mapped of files, shared, or without access", () => {
    const target = new FakeTarget()
    target.process.touch(target.process.map(4 * mib, "/usr/lib/libc.so").start, 4 * mib)
    Object.assign(target.map(4), { permissions: "rw-s" })
    Object.assign(target.map(4), { permissions: "---p" })
    Object.assign(target.map(4), { path: "[stack]" })
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open()
        yield* target.pass(6000)
        assert.strictEqual(target.swappedMib, 0)
        assert.deepStrictEqual(arena.status().unfit, { file: 4 * mib, shared: 4 * mib, "no access": 4 * mib, special: 4 * mib })
      })
    )
  })

  it.effect("stays known as paged out, though a look at the page tables that began before comes in after", () => {
    const target = new FakeTarget()
    target.map(4)
    const calls = target.kernel.processes.systemCalls
    const scan = calls.pagemapScan
    let held: Promise<void> | undefined
    Object.assign(calls, {
      pagemapScan: async (...args: Parameters<typeof scan>) => {
        const wait = held
        held = undefined
        const seen = await scan(...args)
        await wait
        return seen
      }
    })
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ settings: { followMs: 1100, coldMs: 2600 } })
        yield* target.pass(1500)
        let release = () => {}
        held = new Promise((resolve) => (release = resolve))
        yield* target.pass(1500)
        assert.strictEqual(target.swappedMib, 4)
        release()
        yield* target.pass(500)
        const places = arena.ranges().map(({ place }) => place)
        assert.deepStrictEqual(
          places,
          places.map(() => "out" as const)
        )
        assert.strictEqual(arena.status().demandBytes, 0)
      })
    )
  })

  it.effect("keeps to bytes a second", () => {
    const target = new FakeTarget()
    target.map(32)
    return target.run(
      Effect.gen(function* () {
        yield* target.open({ settings: { pageOutBytesPerSecond: 2 * mib, batchBytes: mib } })
        yield* target.pass(5000)
        assert.isAtLeast(target.swappedMib, 4)
        assert.isAtMost(target.swappedMib, 10)
        assert.isTrue(target.calls.every(({ bytes }) => bytes <= mib))
      })
    )
  })

  it.effect("waits while the group stalls for memory, and longer when it stalls again", () => {
    const target = new FakeTarget()
    target.map(8)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ settings: { coldMs: 3000 } })
        yield* target.pass(500)
        for (let second = 0; second < 6; second++) {
          target.kernel.cgroups.stall("", "memory", 200_000)
          yield* target.pass(1000)
        }
        assert.strictEqual(target.swappedMib, 0)
        assert.match(reasons(arena), /the machine stalls for memory 20\.0 % of the time.*for 1\.00 s[^]*for 2\.00 s/)
        yield* target.pass(10_000)
        assert.strictEqual(target.swappedMib, 8)
      })
    )
  })

  it.effect("grows later when the target waits for what was paged out", () => {
    const target = new FakeTarget()
    const { start } = target.map(64)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ settings: { mostStallPercent: 0.1 } })
        yield* target.pass(4000)
        assert.strictEqual(target.swappedMib, 64)
        const before = arena.status().coldMs
        target.use(start, 64)
        yield* target.pass(2500)
        assert.isAbove(arena.status().coldMs, before)
        assert.match(reasons(arena), /waited .* % of the time for restores/)
      })
    )
  })
})

/** Eight chunks used for a second, every eight. */
const bursts = Effect.fnUntraced(function* (target: FakeTarget, start: bigint, count: number) {
  let faults = 0
  for (let burst = 0; burst < count; burst++) {
    const before = target.process.majorFaults
    target.use(start, 8)
    faults = Number(target.process.majorFaults - before)
    yield* target.pass(1000)
    target.use(start, 8, false)
    yield* target.pass(7000)
  }
  /** Of the last one. */
  return faults
})

describe("early decompression", () => {
  it.effect("reads a burst in before it comes; without a predictor every page of it is waited for", () =>
    Effect.gen(function* () {
      const faults: Record<string, number> = {}
      for (const name of ["none", "periodic"]) {
        const target = new FakeTarget()
        const { start } = target.map(8)
        yield* target.run(
          Effect.gen(function* () {
            const arena = yield* target.open({ predictor: findPredictor(name)! })
            faults[name] = yield* bursts(target, start, 6)
            const { measures, tally } = arena.status().predictor
            if (name === "none") assert.deepInclude({ ...tally }, { predicted: 0, inTime: 0 })
            else {
              assert.strictEqual(measures.accuracy, 1)
              // The first burst after paging out, the second, and what it takes to see that they come regularly.
              assert.isAtLeast(tally.inTime, 16)
              assert.match(reasons(arena), /8 chunks expected soon: 8\.00 MiB read in/)
              assert.strictEqual(arena.status().readInBytes % mib, 0)
            }
          })
        )
      }
      assert.deepStrictEqual(faults, { none: (8 * mib) / 4096, periodic: 0 })
    })
  )

  it.effect("of what comes to be expected while it is being paged out: read in all the same", () => {
    const target = new FakeTarget()
    const { start } = target.map(4)
    const calls = target.kernel.processes.systemCalls
    const advise = calls.processMadvise
    let held: Promise<void> | undefined
    Object.assign(calls, {
      processMadvise: async (...args: Parameters<typeof advise>) => {
        const taken = await advise(...args)
        if (args[2] === 21) await held
        return taken
      }
    })
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ predictor: findPredictor("hinted")! })
        yield* target.pass(1500)
        target.use(start, 4)
        yield* target.pass(300)
        target.use(start, 4, false)
        let release = () => {}
        held = new Promise((resolve) => (release = resolve))
        yield* target.pass(3000)
        assert.strictEqual(target.swappedMib, 4)
        yield* arena.activeSoon
        yield* target.pass(200)
        release()
        yield* target.pass(300)
        assert.strictEqual(arena.status().readInBytes, 4 * mib)
      })
    )
  })

  it.effect("of a burst that does not come is counted as pollution", () => {
    const target = new FakeTarget()
    const { start } = target.map(8)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ predictor: findPredictor("periodic")! })
        yield* bursts(target, start, 4)
        const { wasted } = arena.status().predictor.tally
        yield* target.pass(30_000)
        assert.isAbove(arena.status().predictor.tally.wasted, wasted)
        assert.isBelow(arena.status().predictor.measures.accuracy!, 1)
      })
    )
  })
})

describe("what becomes of the process", () => {
  it.effect("its end is the arena's", () => {
    const target = new FakeTarget()
    target.map(8)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open()
        const ended = yield* Effect.forkChild(arena.ended)
        yield* target.pass(2500)
        target.kernel.processes.end(target.process)
        yield* target.pass(1500)
        assert.strictEqual(yield* Fiber.join(ended), "the process has ended")
      })
    )
  })

  it.effect("a zombie has ended, too; and another process of the same pid is not it", () =>
    Effect.gen(function* () {
      const target = new FakeTarget()
      target.map(4)
      yield* target.run(
        Effect.gen(function* () {
          const arena = yield* target.open()
          const ended = yield* Effect.forkChild(arena.ended)
          target.kernel.processes.end(target.process)
          const other = target.kernel.processes.add({ pid: target.process.pid })
          other.touch(other.map(4 * mib).start, 4 * mib)
          yield* target.pass(6000)
          assert.strictEqual(yield* Fiber.join(ended), "the process has ended")
          assert.strictEqual(other.status.amounts["VmSwap"], 0)
        })
      )
    })
  )

  it.effect("exec: everything is mapped anew, and all is forgotten", () => {
    const target = new FakeTarget()
    const old = target.map(4)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open()
        yield* target.pass(4000)
        target.process.unmap(old)
        target.map(6)
        yield* target.pass(1500)
        assert.match(reasons(arena), /none of its \d chunks is there any more/)
        yield* target.pass(4000)
        assert.strictEqual(target.swappedMib, 6)
      })
    )
  })

  it.effect("mappings that come and go are left alone, and what stays is not", () => {
    const target = new FakeTarget()
    target.map(4)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ settings: { leastAgeMs: 3000 } })
        for (let i = 0; i < 10; i++) {
          const mapping = target.map(2)
          yield* target.pass(1000)
          target.process.unmap(mapping)
        }
        yield* arena.refresh
        assert.strictEqual(arena.status().pagedOutBytes, 4 * mib)
        assert.isAtMost(target.calls.length, 2)
      })
    )
  })

  it.effect("a process that grows gets new numbers; what was paged out stays known", () => {
    const target = new FakeTarget()
    const first = target.map(8)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open()
        yield* target.pass(4000)
        target.map(200)
        yield* target.pass(1500)
        assert.match(reasons(arena), /numbers are given anew/)
        target.use(first.start, 8)
        yield* target.pass(1500)
        assert.strictEqual(arena.status().demandBytes, 8 * mib)
      })
    )
  })

  it.effect("so much memory that chunks are made larger", () => {
    const target = new FakeTarget()
    target.map(100)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ settings: { mostChunks: 64 } })
        assert.strictEqual(arena.status().chunkBytes, 2 * mib)
        yield* target.pass(6000)
        assert.strictEqual(target.swappedMib, 100)
      })
    )
  })
})

describe("what the kernel says", () => {
  const refused = (errno: string, isOf: (advice: number) => boolean = () => true) => {
    const target = new FakeTarget()
    target.map(4)
    target.refuse = (advice) => (isOf(advice) ? errno : undefined)
    return target
  }

  it.effect("not permitted: the end, with the reason", () => {
    const target = refused("EPERM")
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open()
        const ended = yield* Effect.forkChild(arena.ended)
        yield* target.pass(4000)
        assert.match(yield* Fiber.join(ended), /^not permitted any more: /)
      })
    )
  })

  it.effect("no such process: the end", () => {
    const target = refused("ESRCH")
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open()
        const ended = yield* Effect.forkChild(arena.ended)
        yield* target.pass(4000)
        assert.strictEqual(yield* Fiber.join(ended), "the process has ended")
      })
    )
  })

  it.effect("not now: tried again; not of this range: left alone for longer and longer", () =>
    Effect.gen(function* () {
      let times = 3
      const target = refused("EAGAIN", () => times-- > 0)
      yield* target.run(
        Effect.gen(function* () {
          yield* target.open()
          yield* target.pass(4000)
          assert.strictEqual(target.swappedMib, 4)
        })
      )
      let asked = 0
      const other = refused("ENOMEM", () => asked++ >= 0)
      yield* other.run(
        Effect.gen(function* () {
          const arena = yield* other.open()
          yield* other.pass(40_000)
          assert.match(reasons(arena), /the rest is in use, shared, or was refused/)
          // One a second would be forty times four pieces.
          assert.isBelow(asked, 40)
        })
      )
    })
  )

  it.effect("not to be read in now: planned again, and read in all the same", () => {
    let times = 2
    const target = refused("EINVAL", (advice) => advice === 3 && times-- > 0)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ predictor: findPredictor("periodic")! })
        yield* bursts(target, [...arena.ranges()].map(({ start }) => BigInt(start))[0]!, 6)
        assert.isAtMost(times, 0)
        assert.isAbove(arena.status().predictor.tally.inTime, 0)
        assert.isTrue(target.calls.some(({ advice }) => advice === "willneed"))
      })
    )
  })

  it.effect("a part only: the rest goes in the next call", () => {
    const target = new FakeTarget()
    target.map(4)
    target.kernel.processes.bytesAtMost = 300 * 1024
    return target.run(
      Effect.gen(function* () {
        yield* target.open()
        yield* target.pass(4000)
        assert.strictEqual(target.swappedMib, 4)
      })
    )
  })
})

describe("by sysfs alone", () => {
  it.effect("a second kdamond of exactly these ranges is on while they are advised on, and only then", () => {
    const target = new FakeTarget()
    const { start } = target.map(8)
    target.refuse = () => "EPERM"
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ by: "sysfs", predictor: findPredictor("periodic")! })
        assert.strictEqual(arena.status().by, "sysfs")
        assert.strictEqual(target.kernel.fs.text("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds").trim(), "2")
        yield* bursts(target, start, 5)
        const ofAdvice = (advice: string) => target.calls.filter((call) => call.advice === advice)
        assert.isAtLeast(ofAdvice("pageout").length, 2)
        assert.isAtLeast(ofAdvice("willneed").length, 2)
        assert.isTrue(target.calls.every(({ bytes }) => bytes <= 4 * mib))
        assert.isAtLeast(arena.status().predictor.tally.inTime, 8)
        assert.isUndefined(target.kernel.damon!.running(1))
        assert.isDefined(target.kernel.damon!.running(0))
      })
    )
  })

  it.effect("is what is done where system calls are not to be had", () => {
    const target = new FakeTarget()
    target.map(4)
    Object.assign(target.kernel.processes.systemCalls, { pidfdOpen: () => ({ errno: "ENOSYS" }) })
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open()
        assert.strictEqual(arena.status().by, "sysfs")
        yield* target.pass(5000)
        assert.strictEqual(target.swappedMib, 4)
      })
    )
  })
})

describe("without acting", () => {
  for (const mode of ["watch", "dry-run"] as const) {
    it.effect(`${mode}: nothing of the process changes`, () => {
      const target = new FakeTarget()
      const { start } = target.map(8)
      return target.run(
        Effect.gen(function* () {
          const arena = yield* target.open({ mode, predictor: findPredictor("tournament")! })
          yield* bursts(target, start, 6)
          assert.deepStrictEqual(target.calls, [])
          assert.strictEqual(target.swappedMib, 0)
          const { predictor } = arena.status()
          const periodic = predictor.standings.find(({ name }) => name === "periodic")!
          assert.isAtLeast(periodic.measures.accuracy!, 0.9)
          assert.isAbove(periodic.total.inTime, 8)
          if (mode === "dry-run") assert.match(reasons(arena), /would be paged out/)
          else assert.notMatch(reasons(arena), /paged out/)
        })
      )
    })
  }

  it.effect("settings change while it runs, those of the start do not", () => {
    const target = new FakeTarget()
    target.map(4)
    return target.run(
      Effect.gen(function* () {
        const arena = yield* target.open({ settings: { coldMs: 60_000 } })
        yield* target.pass(4000)
        assert.strictEqual(target.swappedMib, 0)
        yield* arena.change({ coldMs: 1500 })
        yield* target.pass(1000)
        assert.strictEqual(target.swappedMib, 4)
        assert.include((yield* Effect.flip(arena.change({ chunkBytes: 2 ** 22 }))).message, "chunkBytes")
        assert.include((yield* Effect.flip(arena.change({ cpuPercent: -1 }))).message, "cpuPercent")
      })
    )
  })
})

describe("what cannot be", () => {
  const refusal = (target: FakeTarget, options: Parameters<FakeTarget["open"]>[0] = {}) =>
    target.run(Effect.map(Effect.flip(target.open(options)), (error) => (error as Error).message))

  it.effect("is said in a line: what, and what to do", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal(new FakeTarget({ damon: false })), "no DAMON in sysfs")
      assert.include(yield* refusal(new FakeTarget({ swaps: () => [] })), "there is no swap")
      const disk = [{ path: "/dev/sda2", type: "partition", sizeBytes: 2 ** 30, usedBytes: 0, priority: -2 }]
      assert.include(yield* refusal(new FakeTarget({ swaps: () => disk, zswap: false })), "/dev/sda2, not compressed")
      assert.strictEqual(yield* refusal(new FakeTarget(), { pid: 77 }), "there is no process 77")
      assert.include(yield* refusal(new FakeTarget(), { pid: 2 }), "thread of the kernel")
      assert.include(yield* refusal(new FakeTarget(), { pid: process.pid }), "wait for itself")
      assert.include(yield* refusal(new FakeTarget(), { settings: { chunkBytes: 3 * mib } }), "chunkBytes: 3145728 is not a power of two")
      assert.include(yield* refusal(new FakeTarget(), { settings: { leastColdMs: 10, mostColdMs: 10, coldMs: 0 } }), "coldMs")
    })
  )
})
