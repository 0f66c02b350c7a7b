/**
 * What sampling costs: held reads of memory.stat, memory.current and memory.pressure of many groups, decoded, against bare `readSync` of
 * the same descriptors. On the running kernel where cgroup v2 has the memory controller and the groups can be made (the VM), else on memfs.
 * Run: `node bench/sampling.ts [groups] [rounds]`. Prints one row a file: ns a read, ns of the bare read, their ratio.
 */
import { Effect, Layer, Result } from "effect"
import * as nodeFs from "node:fs"
import { Cgroups, type Codec, findCgroupMount, type FsLike, type Held, KernelRoots, KernFs, Memcg } from "../src/index.ts"
import { FakeKernel, makeSimpleMemcg } from "../src/testing.ts"

const groups = Number(process.argv[2] ?? 200)
const rounds = Number(process.argv[3] ?? 50)
const codecs: ReadonlyArray<Codec<any>> = [Memcg.memoryStat, Memcg.memoryCurrent, Memcg.memoryPressure]
const buffer = new Uint8Array(64 * 1024)

const fakeKernel = (): FsLike => {
  const stat = Object.fromEntries([...Array(30).keys()].map((i) => [`key_${i}`, BigInt(i) * 2n ** 40n]))
  const kernel = new FakeKernel({ memcg: (_, limits) => makeSimpleMemcg({ stat: { unknown: stat } }, limits) })
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  return kernel.fs
}

/** Nanoseconds a call, the best of five. */
const time = (calls: number, run: () => void): number => {
  const runs = [...Array(5).keys()].map(() => {
    const start = process.hrtime.bigint()
    run()
    return Number(process.hrtime.bigint() - start) / calls
  })
  return Math.min(...runs)
}

const measure = (where: string, fs: FsLike) =>
  Effect.gen(function* () {
    const kernFs = yield* KernFs
    const cgroups = yield* Cgroups
    const names = [...Array(groups).keys()].map((i) => `wmo-bench-${process.pid}-${i}`)
    for (const name of names) {
      yield* Effect.acquireRelease(kernFs.mkdir(cgroups.path(name)), () => Effect.ignore(kernFs.rmdir(cgroups.path(name))))
    }
    console.log(`${groups} groups on ${where}, ${rounds} rounds`)
    console.log("file              held + decode    bare readSync    ratio")
    for (const codec of codecs) {
      const held: Array<Held<unknown>> = []
      const fds: Array<number> = []
      for (const name of names) {
        held.push(yield* cgroups.hold(name, codec))
        fds.push(fs.openSync(cgroups.path(name, codec.file), nodeFs.constants.O_RDONLY))
      }
      const decoded = time(groups * rounds, () => {
        for (let round = 0; round < rounds; round++) {
          for (const file of held) if (Result.isFailure(file.readResult())) throw new Error(`cannot read ${file.path}`)
        }
      })
      const bare = time(groups * rounds, () => {
        for (let round = 0; round < rounds; round++) for (const fd of fds) fs.readSync(fd, buffer, 0, buffer.length, 0)
      })
      for (const fd of fds) fs.closeSync(fd)
      console.log(
        `${codec.file.padEnd(16)} ${decoded.toFixed(0).padStart(11)} ns ${bare.toFixed(0).padStart(13)} ns ${(decoded / bare).toFixed(2).padStart(8)}`
      )
    }
  })

const mount = await Effect.runPromise(Effect.provide(findCgroupMount, KernFs.layer))
const isReal = mount !== undefined && mount.memory && !mount.readOnly && process.getuid?.() === 0
const fs: FsLike = isReal ? { ...nodeFs, statSync: (path) => nodeFs.statSync(path) } : fakeKernel()
const roots = {
  cgroup: isReal ? mount.path : "/sys/fs/cgroup",
  proc: "/proc",
  sys: "/sys",
  debug: "/sys/kernel/debug",
  tracing: "/sys/kernel/tracing"
}
const services = Cgroups.layer.pipe(Layer.provideMerge(KernFs.layerOver(fs)), Layer.provideMerge(Layer.succeed(KernelRoots, roots)))
await Effect.runPromise(Effect.scoped(measure(isReal ? `the running kernel (${mount.path})` : "memfs", fs)).pipe(Effect.provide(services)))
