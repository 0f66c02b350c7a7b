/** Drives the command line in this process, on a fake kernel: what it printed, how it ended, and what it left behind. */
import { KernFs, type Mount } from "@wmo/core"
import { FakeKernel, makeSimpleMemcg, type SimpleMemcg } from "@wmo/core/testing"
import { type WorkloadSpawn, WorkloadSpawner } from "@wmo/control"
import { assert } from "@effect/vitest"
import { Console, Effect, Fiber, Layer } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import { endOf, runCli } from "../src/cli.ts"

export const cgroupRoot = "/sys/fs/cgroup"
export const mib = 2 ** 20

/** A directory for the tests of one file; the state directory of every `wmo` in it is below. */
export const scratch = mkdtempSync(join(tmpdir(), "wmo-cli-test-"))
export const stateDirectory = join(scratch, "state")
process.env["WMO_STATE_DIR"] = stateDirectory
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let files = 0
export const freshFile = (): string => join(scratch, `file-${files++}.wmo`)

/** What a test may make of the fake kernel besides its own options. */
export interface KernelChanges {
  readonly mounts?: ReadonlyArray<Mount>
  readonly options?: ConstructorParameters<typeof FakeKernel>[0]
}

export const v2Mount: Mount = { mountPoint: cgroupRoot, fsType: "cgroup2", options: ["rw"], superOptions: ["rw"] }

/** Idle for half a minute: 64 MiB of 100. Its generations stay as they are. */
export const coldMemcg = (initial: Partial<SimpleMemcg["state"]> = {}): SimpleMemcg => ({
  ...makeSimpleMemcg({
    nodes: [
      {
        node: 0,
        generations: [
          { seq: 1, ageMs: 60_000, anonPages: 64 * 256, filePages: 0 },
          { seq: 2, ageMs: 30_000, anonPages: 0, filePages: 0 },
          { seq: 3, ageMs: 100, anonPages: 36 * 256, filePages: 0 }
        ]
      }
    ],
    ...initial
  }),
  age: () => undefined
})

/** A fake kernel with one group, `app`, that somebody made. */
export const kernelWithApp = (memcg: SimpleMemcg = coldMemcg(), { mounts, options = {} }: KernelChanges = {}): FakeKernel => {
  const kernel = new FakeKernel({ memcg: (name, limits) => (name === "app" ? memcg : makeSimpleMemcg({}, limits)), ...options })
  write(kernel, `${cgroupRoot}/cgroup.subtree_control`, "+memory")
  kernel.fs.mkdirSync(`${cgroupRoot}/app`)
  if (mounts !== undefined) kernel.fs.file("/proc/self/mountinfo", mountTable(mounts), 0o444)
  return kernel
}

const mountTable = (mounts: ReadonlyArray<Mount>): string =>
  mounts
    .map(
      ({ fsType, mountPoint, options, superOptions }, i) =>
        `${i + 20} 1 0:${i + 20} / ${mountPoint} ${options.join(",")} - ${fsType} ${fsType} ${superOptions.join(",")}\n`
    )
    .join("")

export const write = (kernel: FakeKernel, path: string, text: string): void => {
  const fd = kernel.fs.openSync(path, 1)
  try {
    kernel.fs.writeSync(fd, new TextEncoder().encode(text))
  } finally {
    kernel.fs.closeSync(fd)
  }
}

/** All there is on the fake, with what the settings say. */
export const machineState = (kernel: FakeKernel): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.keys(kernel.fs.volume.toJSON())
      .toSorted()
      .map((path) => [path, /subtree_control|\.high|\.max|procs|interval/.test(path) ? kernel.fs.text(path) : ""])
  )

export const journals = (): ReadonlyArray<string> => (existsSync(stateDirectory) ? readdirSync(stateDirectory) : [])

/** A real process, which the fake kernel believes to be in the group until it ends. */
const spawnInto =
  (kernel: FakeKernel): WorkloadSpawn =>
  ({ args, env, file, procsFile }) => {
    const child = spawn(file, args, { stdio: "ignore", env })
    const { processes } = kernel.cgroups.group(dirname(procsFile).slice(cgroupRoot.length + 1))
    if (child.pid !== undefined) processes.add(child.pid)
    child.once("exit", () => processes.delete(child.pid!))
    return child
  }

interface Ended {
  readonly code: number
  readonly stdout: string
  /** With the last line that `main` prints. */
  readonly stderr: string
  /** Lines of stderr that wmo says about itself; what a policy did is not among them. */
  readonly complaints: ReadonlyArray<string>
}

const joined = (lines: ReadonlyArray<unknown>): string => lines.map((line) => `${String(line)}\n`).join("")

/** Runs `wmo` with these arguments to its end. */
export const wmo = Effect.fnUntraced(function* (args: ReadonlyArray<string>, kernel: FakeKernel = kernelWithApp()) {
  return yield* Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(runCli(args).pipe(Effect.provideService(WorkloadSpawner, spawnInto(kernel))))
    const { code, line } = endOf(yield* Fiber.await(fiber))
    const stderr = joined([...(yield* TestConsole.errorLines), ...(line === undefined ? [] : [`wmo: ${line}`])])
    const complaints = stderr.split("\n").filter((text) => text.startsWith("wmo: ") && !/^wmo: +\d+ s /.test(text))
    return { code, stdout: joined(yield* TestConsole.logLines), stderr, complaints } satisfies Ended
  }).pipe(
    Effect.provide(Layer.fresh(KernFs.layerOver(kernel.fs))),
    // Not the layer: it is shared by all that a test runs.
    Effect.provideServiceEffect(Console.Console, TestConsole.make)
  )
})

/** Lets virtual time pass until something is so. Commands load their code in real time first, so there is no knowing how much it takes. */
export const passTime = Effect.fnUntraced(function* (isSo: () => boolean) {
  for (let i = 0; i < 10_000 && !isSo(); i++) {
    yield* TestClock.adjust("500 millis")
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
  }
  assert.isTrue(isSo())
})

/** Runs `wmo` with these arguments, which end it by themselves, in virtual time. */
export const wmoInTime = Effect.fnUntraced(function* (args: ReadonlyArray<string>, kernel: FakeKernel = kernelWithApp()) {
  const fiber = yield* Effect.forkChild(wmo(args, kernel))
  yield* passTime(() => fiber.pollUnsafe() !== undefined)
  return yield* Fiber.join(fiber)
})

/** Runs it and checks that it fails with this code and one line that says so, leaving the machine and the state directory as they were. */
export const fails = Effect.fnUntraced(function* (args: ReadonlyArray<string>, code: number, line: RegExp, kernel = kernelWithApp()) {
  const before = machineState(kernel)
  const ended = yield* wmo(args, kernel)
  assert.strictEqual(ended.code, code, ended.stderr)
  assert.strictEqual(ended.complaints.length, 1, ended.stderr)
  assert.match(ended.complaints[0]!, line)
  assert.deepStrictEqual(machineState(kernel), before)
  assert.deepStrictEqual(journals(), [])
  return ended
})
