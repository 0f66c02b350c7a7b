/**
 * What sampling costs: a pass over 1,000 groups × (memory.current, .stat, .pressure, .swap.current, .zswap.current), read on held
 * descriptors and decoded (once where nothing has changed, and once every file anew), beside a C program (sampling.c) that only reads the same files. On the running kernel where it has cgroup v2
 * with the memory controller and we are root (the VM); else on memfs, beside bare `readSync`, since C cannot read memfs.
 * Run: `node bench/sampling.ts [groups] [passes]`. Prints medians of a pass and their ratio.
 */
import { Effect, Layer, Result } from "effect"
import { execFileSync } from "node:child_process"
import * as nodeFs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Cgroups, type Codec, findCgroupMount, type FsLike, type Held, KernelRoots, KernFs, Memcg } from "../src/index.ts"
import { FakeKernel, makeSimpleMemcg } from "../src/testing.ts"

const groups = Number(process.argv[2] ?? 1000)
const passes = Number(process.argv[3] ?? 15)
const codecs = [Memcg.memoryCurrent, Memcg.memoryStat, Memcg.memoryPressure, Memcg.memorySwapCurrent, Memcg.memoryZswapCurrent]

/** Milliseconds. */
interface Pass {
  readonly wall: number
  readonly cpu: number
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const medianPass = (all: ReadonlyArray<Pass>): Pass => ({
  wall: median(all.map(({ wall }) => wall)),
  cpu: median(all.map(({ cpu }) => cpu))
})

/** Two passes more than are counted: the first ones compile. */
const measured = (run: () => void): Pass =>
  medianPass(
    Array.from({ length: passes + 2 }, () => {
      const cpu = process.cpuUsage()
      const wall = performance.now()
      run()
      const { system, user } = process.cpuUsage(cpu)
      return { wall: performance.now() - wall, cpu: (system + user) / 1000 }
    }).slice(2)
  )

const bareReads = (fs: FsLike, paths: ReadonlyArray<string>): Pass => {
  const buffer = new Uint8Array(64 * 1024)
  const fds = paths.map((path) => fs.openSync(path, nodeFs.constants.O_RDONLY))
  const pass = measured(() => {
    for (const fd of fds) fs.readSync(fd, buffer, 0, buffer.length, 0)
  })
  for (const fd of fds) fs.closeSync(fd)
  return pass
}

/** Whether so many files, and a few more, can be open at a time. */
const hasDescriptors = (count: number): boolean => {
  const limit = /^Max open files\s+(\d+)/m.exec(nodeFs.readFileSync("/proc/self/limits", "utf8"))
  return limit === null || Number(limit[1]) > count + 100
}

const cReads = (paths: ReadonlyArray<string>): Pass => {
  const directory = nodeFs.mkdtempSync(join(tmpdir(), "wmo-bench-"))
  try {
    const program = join(directory, "sampling")
    execFileSync("cc", ["-O2", "-o", program, join(import.meta.dirname, "sampling.c")], { stdio: "inherit" })
    const lines = execFileSync(program, [String(passes + 2)], { input: `${paths.join("\n")}\n`, encoding: "utf8" })
      .trim()
      .split("\n")
    return medianPass(lines.slice(2).map((line) => ({ wall: Number(line.split(" ")[0]) / 1e6, cpu: Number(line.split(" ")[1]) / 1e6 })))
  } finally {
    nodeFs.rmSync(directory, { recursive: true })
  }
}

const row = (name: string, { cpu, wall }: Pass, reference: Pass): void =>
  console.log(
    `${name.padEnd(38)} ${wall.toFixed(1).padStart(8)} ms ${cpu.toFixed(1).padStart(8)} ms CPU ${(wall / reference.wall).toFixed(2).padStart(6)} ×`
  )

const measure = (where: string, fs: FsLike, isReal: boolean) =>
  Effect.gen(function* () {
    const kernFs = yield* KernFs
    const cgroups = yield* Cgroups
    const names = Array.from({ length: groups }, (_, i) => `wmo-bench-${process.pid}-${i}`)
    for (const name of names) {
      yield* Effect.acquireRelease(kernFs.mkdir(cgroups.path(name)), () => Effect.ignore(kernFs.rmdir(cgroups.path(name))))
    }
    const paths = names.flatMap((name) => codecs.map((codec) => cgroups.path(name, codec.file)))
    const reference = isReal ? cReads(paths) : bareReads(fs, paths)
    const bare = hasDescriptors(paths.length) ? bareReads(fs, paths) : undefined
    const held: Array<Held<unknown>> = []
    for (const name of names) for (const codec of codecs) held.push(yield* cgroups.hold<unknown>(name, codec as never))
    const readAll = () => {
      for (const file of held) if (Result.isFailure(file.readResult())) throw new Error(`cannot read ${file.path}`)
    }
    const unchanged = measured(readAll)
    // What decoding costs where all have changed: these groups are idle, so their numbers are made as long as those of busy ones.
    const busy: Array<readonly [Codec<unknown>, Uint8Array]> = []
    for (const name of names) {
      for (const codec of codecs) {
        const text = new TextDecoder().decode(yield* kernFs.read(cgroups.path(name, codec.file)))
        busy.push([codec as Codec<any>, new TextEncoder().encode(text.replaceAll(/(?<= )\d+$/gm, String(100_000_000 + busy.length)))])
      }
    }
    const withChanges = (contents: typeof busy): Pass =>
      measured(() => {
        readAll()
        for (const [codec, bytes] of contents) if (Result.isFailure(codec.decode(bytes))) throw new Error(`cannot decode ${codec.file}`)
      })
    const tenth = withChanges(busy.slice(0, busy.length / 10))
    const changed = withChanges(busy)
    console.log(`${groups} groups × ${codecs.length} files on ${where}, median of ${passes} passes`)
    row(isReal ? "C, pread only (reference)" : "bare readSync (reference)", reference, reference)
    if (isReal && bare !== undefined) row("Node, readSync only", bare, reference)
    const few = bare === undefined ? ", few descriptors" : ""
    row(`held, nothing changed${few}`, unchanged, reference)
    row(`held, a tenth changed${few}`, tenth, reference)
    row(`held, everything changed${few}`, changed, reference)
    const beyond = (pass: Pass): string => (pass.cpu - reference.cpu).toFixed(1)
    console.log(`beyond the reference: ${beyond(unchanged)} to ${beyond(changed)} ms of CPU a pass`)
  })

const fakeKernel = (): FsLike => {
  const stat = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`key_${i}`, BigInt(i) * 2n ** 40n]))
  const kernel = new FakeKernel({ memcg: (_, limits) => makeSimpleMemcg({ stat: { unknown: stat } }, limits) })
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  return kernel.fs
}

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
const where = isReal ? `the running kernel (${mount.path})` : "memfs"
await Effect.runPromise(Effect.scoped(measure(where, fs, isReal)).pipe(Effect.provide(services)))
