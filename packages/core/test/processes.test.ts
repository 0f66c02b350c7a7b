/** What the services of processes make of odd processes and of a kernel that takes less than it was asked. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { KernFs, KernFsError, Processes, processIds, ProcessMemory } from "../src/index.ts"
import { SystemCalls, type SystemCallsShape } from "../src/native/SystemCalls.ts"
import { FakeKernel } from "../src/testing.ts"

const mib = 2 ** 20

/** A fake kernel with a process of 16 MiB, and the lengths of the ranges of each call of process_madvise. */
const make = (over: (calls: SystemCallsShape) => Partial<SystemCallsShape> = () => ({})) => {
  const kernel = new FakeKernel()
  const process = kernel.processes.add()
  const { start } = process.map(16 * mib)
  process.touch(start, 16 * mib)
  const calls: Array<ReadonlyArray<number>> = []
  const fake = kernel.processes.systemCalls
  const own = over(fake)
  const shape: SystemCallsShape = {
    ...fake,
    ...own,
    processMadvise: (pidfd, ranges, advice) => {
      if (ranges.length > 0) calls.push(ranges.map(({ bytes }) => bytes))
      return (own.processMadvise ?? fake.processMadvise)(pidfd, ranges, advice)
    }
  }
  const layer = Layer.mergeAll(ProcessMemory.layer, Processes.layer).pipe(
    Layer.provide(KernFs.layerOver(kernel.fs)),
    Layer.provide(Layer.succeed(SystemCalls, () => Promise.resolve(shape)))
  )
  return { kernel, process, start, calls, layer }
}

const opened = (pid: number) => Effect.flatMap(ProcessMemory, (memory) => memory.open({ pid }))

describe("advice", () => {
  it.effect("goes in calls of at most the batch, cut at its multiples", () => {
    const { calls, layer, process, start } = make()
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      const taken = yield* advise("cold", [{ start: start + 4096n, bytes: 10 * mib }])
      assert.strictEqual(taken.bytes, 10 * mib)
      assert.deepStrictEqual(calls, [[4 * mib - 4096], [4 * mib], [2 * mib + 4096]])
      calls.length = 0
      yield* advise("cold", [{ start, bytes: 2 * mib }], { batchBytes: mib })
      assert.deepStrictEqual(calls, [[mib], [mib]])
      calls.length = 0
      yield* advise("collapse", [{ start, bytes: 4 * mib }], { batchBytes: mib })
      assert.deepStrictEqual(calls, [[2 * mib], [2 * mib]])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("puts small ranges together, 1024 at most", () => {
    const { calls, layer, process, start } = make()
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      yield* advise(
        "cold",
        Array.from({ length: 2000 }, (_, i) => ({ start: start + BigInt(i) * 8192n, bytes: 4096 })),
        { batchBytes: 64 * mib }
      )
      assert.deepStrictEqual(
        calls.map(({ length }) => length),
        [1024, 976]
      )
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("goes on from where a short count ended, within a range and between ranges", () => {
    const { kernel, layer, process, start } = make()
    kernel.processes.bytesAtMost = 3 * 4096
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      const taken = yield* advise("pageout", [
        { start, bytes: 8 * 4096 },
        { start: start + BigInt(mib), bytes: 4096 }
      ])
      assert.deepStrictEqual(taken, { bytes: 9 * 4096, ranges: [{ bytes: 8 * 4096 }, { bytes: 4096 }] })
      assert.strictEqual(process.status.amounts.VmSwap, 9 * 4096)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("tries again after EINTR and EAGAIN, and gives up on what stays busy", () => {
    const answers = ["EINTR", "EAGAIN"]
    const { layer, process, start } = make((calls) => ({
      processMadvise: (...parameters) => {
        const errno = answers.shift()
        return errno === undefined ? calls.processMadvise(...parameters) : Promise.resolve({ errno })
      }
    }))
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      assert.strictEqual((yield* advise("cold", [{ start, bytes: 4096 }])).bytes, 4096)
      answers.push(...Array.from({ length: 11 }, () => "EBUSY"))
      assert.deepStrictEqual((yield* advise("cold", [{ start, bytes: 4096 }])).ranges, [{ bytes: 0, refused: { _tag: "Busy" } }])
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("a call that takes nothing and says nothing does not repeat for ever", () => {
    const { layer, process, start } = make(() => ({ processMadvise: () => Promise.resolve({ value: 0 }) }))
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      const { bytes, ranges } = yield* advise("cold", [{ start, bytes: 8 * mib }])
      assert.strictEqual(bytes, 0)
      assert.deepStrictEqual(ranges[0]!.refused, { _tag: "Invalid" })
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("an advice that the kernel does not know is an error, not a refusal of each range", () => {
    const { layer, process, start } = make(() => ({ processMadvise: () => Promise.resolve({ errno: "EINVAL" }) }))
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      const error = yield* Effect.flip(advise("collapse", [{ start, bytes: 4 * mib }]))
      assert.strictEqual(error.reason._tag, "Invalid")
      assert.strictEqual(error.operation, "advise")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("without the rights it says which they are; without a binary that it is not supported here", () => {
    const { kernel, layer, process, start } = make(() => ({ processMadvise: () => Promise.resolve({ errno: "EPERM" }) }))
    const without = Layer.fresh(ProcessMemory.layer).pipe(
      Layer.provide(KernFs.layerOver(kernel.fs)),
      Layer.provide(Layer.succeed(SystemCalls, () => Promise.reject(new Error("no binary"))))
    )
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      const error = yield* Effect.flip(advise("cold", [{ start, bytes: 4096 }]))
      assert.match(error.message, /^cannot advise \/proc\/\d+: permission denied; it takes CAP_SYS_NICE and [^\n]*CAP_SYS_PTRACE[^\n]*$/)
      const refused = yield* Effect.flip(Effect.provide(opened(process.pid), without))
      assert.strictEqual(refused instanceof KernFsError && refused.reason._tag, "NotSupported")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("can be interrupted between calls: the one at work is finished, and no other begun", () => {
    let finish: () => void = () => undefined
    const { calls, layer, process, start } = make((fake) => ({
      processMadvise: (...parameters) => new Promise((resolve) => (finish = () => resolve(fake.processMadvise(...parameters))))
    }))
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      const advising = yield* Effect.forkChild(advise("pageout", [{ start, bytes: 16 * mib }]), { startImmediately: true })
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(advising), { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(interrupting.pollUnsafe())
      finish()
      yield* Fiber.join(interrupting)
      assert.lengthOf(calls, 1)
      assert.strictEqual(process.status.amounts.VmSwap, 4 * mib)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("closes its pidfd with the scope, and opens no zombie", () => {
    const closed: Array<number> = []
    const { kernel, layer, process } = make(() => ({ close: (fd) => void closed.push(fd) }))
    return Effect.gen(function* () {
      yield* Effect.scoped(opened(process.pid))
      assert.lengthOf(closed, 1)
      kernel.processes.end(process, { reap: false })
      const error = yield* Effect.flip(Effect.scoped(opened(process.pid)))
      assert.strictEqual(error._tag === "KernFsError" && error.reason._tag, "NoProcess")
      assert.lengthOf(closed, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("anonymous memory stays where it is without swap", () => {
    const kernel = new FakeKernel({ swaps: () => [] })
    const process = kernel.processes.add()
    const { start } = process.map(mib)
    process.touch(start, mib)
    return Effect.gen(function* () {
      const { advise } = yield* opened(process.pid)
      assert.strictEqual((yield* advise("pageout", [{ start, bytes: mib }])).bytes, mib)
      assert.deepStrictEqual([process.status.amounts.VmRSS, process.status.amounts.VmSwap], [mib, 0])
    }).pipe(Effect.scoped, Effect.provide(kernel.layer))
  })
})

describe("processes", () => {
  it.effect("a zombie is listed and has no memory, and is not alive", () => {
    const { kernel, layer, process } = make()
    return Effect.gen(function* () {
      const processes = yield* Processes
      const identity = yield* processes.identity(process.pid)
      kernel.processes.end(process, { reap: false })
      assert.include(yield* processes.list, process.pid)
      assert.isUndefined(yield* processes.smapsRollup(process.pid))
      assert.deepStrictEqual(yield* processes.smaps(process.pid), [])
      assert.isFalse(yield* processes.alive(identity))
    }).pipe(Effect.provide(layer))
  })

  it.effect("a pid that is used again is not the process it was", () => {
    const { kernel, layer, process } = make()
    return Effect.gen(function* () {
      const processes = yield* Processes
      const identity = yield* processes.identity(process.pid)
      kernel.processes.end(process)
      kernel.processes.add({ pid: process.pid })
      assert.isFalse(yield* processes.alive(identity))
      assert.isTrue(yield* processes.alive(yield* processes.identity(process.pid)))
    }).pipe(Effect.provide(layer))
  })

  it.effect("children are found without task/TID/children too (kernels without CONFIG_PROC_CHILDREN)", () => {
    const { kernel, layer, process } = make()
    const children = [kernel.processes.add({ ppid: process.pid }), kernel.processes.add({ ppid: process.pid })].map(({ pid }) => pid)
    return Effect.gen(function* () {
      const processes = yield* Processes
      assert.deepStrictEqual(yield* processes.children(process.pid), children)
      kernel.fs.remove(`/proc/${process.pid}/task/${process.pid}/children`)
      assert.deepStrictEqual(yield* processes.children(process.pid), children)
    }).pipe(Effect.provide(layer))
  })

  it.effect("says in which group a process is; nothing without cgroup v2", () => {
    const kernel = new FakeKernel()
    const process = kernel.processes.add()
    kernel.fs.mkdirSync("/sys/fs/cgroup/app")
    return Effect.gen(function* () {
      const processes = yield* Processes
      const fs = yield* KernFs
      assert.strictEqual(yield* processes.cgroup(process.pid), "")
      yield* fs.write("/sys/fs/cgroup/app/cgroup.procs", String(process.pid))
      assert.strictEqual(yield* processes.cgroup(process.pid), "app")
      kernel.fs.file(`/proc/${process.pid}/cgroup`, "4:memory:/x\n")
      assert.isUndefined(yield* processes.cgroup(process.pid))
      kernel.processes.end(process)
      assert.deepStrictEqual(yield* fs.decode("/sys/fs/cgroup/app/cgroup.procs", processIds), [])
    }).pipe(Effect.provide(kernel.layer))
  })
})
