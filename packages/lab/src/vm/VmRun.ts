/**
 * Boots a guest, runs one command in it and gives its exit code. The guest sees this machine's file system at the same paths, read-only
 * under a throw-away overlay, so that every program here just runs; it has a stock kernel with cgroup v2, zswap and swap.
 * Nothing stays behind: no process, no file, except in the directory given as `out`. Recipe and timings: emulated about 7 s in all.
 */
import { randomBytes } from "node:crypto"
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join, resolve } from "node:path"
import { type Bytes, formatBytes, formatDuration, type Milliseconds } from "@wmo/core"
import { Deferred, Effect, Exit, Option, Scope } from "effect"
import { type Accelerator, kvmVerdict, rememberKvm } from "./Acceleration.ts"
import type { GuestJob } from "./GuestInit.ts"
import { GuestSession, type VmStreams } from "./GuestSession.ts"
import { chooseKernel } from "./KernelTree.ts"
import { startQemu, temporaryDirectory } from "./QemuProcess.ts"
import { findProgram } from "./Tools.ts"
import { type BootPlan, qemuArguments } from "./VmBoot.ts"
import { type VmCache, vmCache } from "./VmCache.ts"
import { VmError, vmError, type VmErrorReason } from "./VmError.ts"
import { runImage, sharedImage } from "./VmImage.ts"
import type { VmOptions } from "./VmOptions.ts"
import { requireParts } from "./VmSetup.ts"

export interface VmResult {
  /** Of the command: its own, or 128 + signal. */
  readonly exitCode: number
  /** From the start of QEMU to the start of the command. */
  readonly bootSeconds: number
  /** From the call to the end of the guest. */
  readonly totalSeconds: number
}

export interface GuestTerminal {
  readonly rows: number
  readonly columns: number
}

/** How long a guest may take to come up with KVM before KVM is taken to be broken: it takes about 2 s where it works. */
const kvmTrial: Milliseconds = 20_000
/** Ends of a boot that can be KVM's fault. */
const inconclusive: ReadonlySet<VmErrorReason> = new Set<VmErrorReason>(["Boot", "Hang", "Panic"])

/** The environment of the command: a few names of the caller's, the directory of this Node first on PATH, then what was asked for. */
export const guestEnvironment = (options: VmOptions, caller: NodeJS.ProcessEnv): Readonly<Record<string, string>> => {
  const kept = ["HOME", "TMPDIR", "LANG", "LC_ALL", "TERM", "USER"].flatMap((name) => {
    const value = caller[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(kept),
    PATH: [dirname(process.execPath), caller["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"].join(delimiter),
    WMO_VM: "1",
    ...(options.out === undefined ? {} : { WMO_OUT: resolve(options.out) }),
    ...options.env
  }
}

const programOf = Effect.fnUntraced(function* (name: string, path: string, cwd: string) {
  const program = findProgram(name, path, cwd)
  if (program !== undefined) return program
  const where = name.includes("/") ? "" : " on PATH"
  return yield* vmError(
    "CommandNotFound",
    `${name}: no such program${where}; the VM runs what this machine has, so install it here or give its full path`
  )
})

const outDirectory = (out: string | undefined) =>
  Effect.try({
    try: () => {
      if (out === undefined) return undefined
      const path = resolve(out)
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false) throw new Error("it is not a directory")
      mkdirSync(path, { recursive: true })
      return path
    },
    catch: (cause) => vmError("Usage", `--out ${out}: ${cause instanceof Error ? cause.message : String(cause)}`)
  })

/** Why a guest that went away did so. */
const whyGone = (session: GuestSession, said: string, running: boolean): VmError => {
  const console = session.console
  const complaint = console.complaint()
  if (complaint !== undefined) {
    const reason = /this kernel/.test(complaint) ? "KernelLacks" : "Boot"
    return new VmError({ reason, message: complaint, consoleTail: reason === "Boot" ? console.tail() : [] })
  }
  const panic = console.panic()
  if (panic !== undefined) {
    const memory = /deadlocked on memory|out of memory/i.test(panic)
    return new VmError({
      reason: memory ? "OutOfMemory" : "Panic",
      message: memory
        ? "the guest ran out of memory and has nothing left to kill; give it more with --memory"
        : `the guest kernel panicked: ${panic}`,
      consoleTail: console.panicLines()
    })
  }
  if (running)
    return new VmError({ reason: "GuestDied", message: "the guest went away before the command ended", consoleTail: console.tail() })
  const line = said.split("\n").at(-1) ?? ""
  return new VmError({
    reason: "Boot",
    message: `QEMU did not boot the guest: ${line === "" ? "it ended without a word" : line}`,
    consoleTail: console.tail()
  })
}

interface Prepared {
  readonly name: string
  readonly qemu: string
  readonly plan: Omit<BootPlan, "initramfs" | "accelerator">
  readonly job: GuestJob
  readonly image: Buffer
  readonly options: VmOptions
  readonly streams: VmStreams
}

/** Checks everything that can be checked without starting anything. */
const prepare = Effect.fnUntraced(function* (
  command: ReadonlyArray<string>,
  options: VmOptions,
  streams: VmStreams,
  cache: VmCache,
  terminal: GuestTerminal | undefined
): Effect.fn.Return<Prepared, VmError> {
  const cwd = process.cwd()
  const env = guestEnvironment(options, process.env)
  const [name, ...args] = command
  if (name === undefined) return yield* vmError("Usage", "give a command after --, for example: wmo vm run -- uname -r")
  const program = yield* programOf(name, env["PATH"]!, cwd)
  const out = yield* outDirectory(options.out)
  const parts = yield* requireParts(cache)
  const kernel = yield* chooseKernel(cache, options)
  if (options.zswap !== undefined && kernel.zswap === false) {
    const hint = "take another with --kernel, or run with --zswap off"
    return yield* vmError("KernelLacks", `the kernel ${kernel.version} has no zswap (cloud kernels do not): ${hint}`)
  }
  const shared = yield* sharedImage(cache, kernel, parts.busybox, { zswap: options.zswap, zram: options.swap.kind === "zram" })
  const job: GuestJob = {
    command: [program, ...args],
    cwd,
    env,
    zswap: options.zswap,
    swap: options.swap,
    thp: options.thp,
    out,
    marker: `\u0001wmo-end-${randomBytes(16).toString("hex")}\u0002`,
    terminal: terminal === undefined ? { kind: "ports", stdin: streams.stdin !== undefined } : { kind: "console", ...terminal }
  }
  const plan = { image: kernel.image, memory: options.memory, cpus: options.cpus, icount: options.icount, out }
  return { name, qemu: parts.qemu, plan, job, image: runImage(shared, job), options, streams }
})

interface Booted {
  readonly session: GuestSession
  readonly bootSeconds: number
}

const gone = (session: GuestSession, running: boolean): Effect.Effect<never, VmError> =>
  Deferred.await(session.gone).pipe(Effect.flatMap((said) => Effect.fail(whyGone(session, said, running))))

/** From nothing to the start of the command. The guest lives until the scope ends. */
const boot = Effect.fn("VmRun.boot")(function* (
  prepared: Prepared,
  accelerator: Accelerator,
  within: Milliseconds
): Effect.fn.Return<Booted, VmError, Scope.Scope> {
  const directory = yield* temporaryDirectory
  const initramfs = join(directory, "initramfs")
  yield* Effect.sync(() => writeFileSync(initramfs, prepared.image))
  const booting = performance.now()
  const qemu = yield* startQemu(prepared.qemu, qemuArguments({ ...prepared.plan, initramfs, accelerator }))
  const session = yield* Effect.acquireRelease(
    Effect.sync(() => new GuestSession(qemu, prepared.streams, prepared.job.marker, prepared.job.terminal.kind)),
    (session) => Effect.sync(() => session.detach())
  )
  yield* Deferred.await(session.started).pipe(
    Effect.raceFirst(gone(session, false)),
    Effect.timeoutOrElse({
      duration: within,
      orElse: () => {
        const message = `the guest did not come up within ${formatDuration(within)}`
        return Effect.fail(new VmError({ reason: "Hang", message, consoleTail: session.console.tail() }))
      }
    })
  )
  // QEMU has read it; should this process be killed from here on, nothing is left behind.
  yield* Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  return { session, bootSeconds: (performance.now() - booting) / 1000 }
})

/** With KVM where it works. Where that is not known yet, a failed boot shows that it does not, and the guest is emulated. */
const bootSomehow = Effect.fnUntraced(function* (prepared: Prepared, cache: VmCache): Effect.fn.Return<Booted, VmError, Scope.Scope> {
  const { bootTimeout } = prepared.options
  const emulated = boot(prepared, "tcg", bootTimeout)
  if (prepared.options.icount !== undefined) return yield* emulated
  const verdict = yield* kvmVerdict(cache, prepared.qemu)
  if (verdict === "fails") return yield* emulated
  if (verdict === "works") return yield* boot(prepared, "kvm", bootTimeout)
  const attempt = yield* Scope.fork(yield* Effect.scope)
  const exit = yield* Effect.exit(Scope.provide(boot(prepared, "kvm", Math.min(kvmTrial, bootTimeout)), attempt))
  if (Exit.isSuccess(exit)) {
    yield* rememberKvm(cache, prepared.qemu, "works")
    return exit.value
  }
  yield* Scope.close(attempt, exit)
  const error = Exit.findErrorOption(exit)
  if (Option.isNone(error) || !inconclusive.has(error.value.reason)) return yield* exit
  const booted = yield* emulated
  yield* rememberKvm(cache, prepared.qemu, "fails")
  return booted
})

/** Waits for the end of the command, for at most its time. */
const commandEnd = (prepared: Prepared, session: GuestSession): Effect.Effect<number, VmError> => {
  const finished = Deferred.await(session.finished).pipe(Effect.raceFirst(gone(session, true)))
  const limit = prepared.options.timeout
  if (limit === undefined) return finished
  const message = `${prepared.name} ran longer than --timeout ${formatDuration(limit)} and was ended with its guest`
  return Effect.timeoutOrElse(finished, { duration: limit, orElse: () => Effect.fail(vmError("Timeout", message)) })
}

/** Fails where the command failed because the guest's OOM killer ended something; its exit code stays in the error. */
const blameOom = Effect.fnUntraced(function* (session: GuestSession, exitCode: number, memory: Bytes) {
  if (exitCode === 0) return
  // The console comes by another way than the exit code: let it catch up.
  yield* Effect.sleep(100)
  const kill = session.console.oomKill()
  if (kill === undefined) return
  const message = `the guest ran out of memory (it has ${formatBytes(memory)}): killed ${kill.name} (pid ${kill.pid}); give it more with --memory`
  return yield* new VmError({ reason: "OutOfMemory", message, consoleTail: [], exitCode })
})

/** Runs a command in a fresh guest. Fails with `VmError`; a command that fails is a result, not an error. */
export const vmRun = Effect.fn("VmRun.run")(function* (
  command: ReadonlyArray<string>,
  options: VmOptions,
  streams: VmStreams,
  /** For an interactive program: on the guest's console, a terminal of this size, with `stdin` passed on as it is. */
  terminal?: GuestTerminal
): Effect.fn.Return<VmResult, VmError> {
  const began = performance.now()
  const cache = vmCache()
  const prepared = yield* prepare(command, options, streams, cache, terminal)
  const ended = yield* Effect.scoped(
    Effect.gen(function* () {
      const { session, bootSeconds } = yield* bootSomehow(prepared, cache)
      session.attachInput()
      const exitCode = yield* commandEnd(prepared, session)
      yield* blameOom(session, exitCode, options.memory)
      return { exitCode, bootSeconds }
    })
  )
  return { ...ended, totalSeconds: (performance.now() - began) / 1000 }
})
