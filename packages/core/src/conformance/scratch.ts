/**
 * What the suites share: groups that are removed again, processes to put into them, and memory to charge them with.
 * Processes are real in all places; a fake kernel takes their ids for what they are.
 */
import { Duration, Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { Cgroups } from "../Cgroups.ts"
import { KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { memoryCurrent } from "../Memcg.ts"
import type { Bytes } from "../Units.ts"

export interface ConformanceOptions {
  /** Name of the group below the cgroup mount that the suite creates and removes; by default `wmo-test-<pid>`. */
  readonly scratch?: string
}

export const scratchName = (options: ConformanceOptions | undefined, suite: string): string =>
  `${options?.scratch ?? `wmo-test-${process.pid}`}-${suite}`

/** Tries again for five seconds what may be busy because a process has just died. */
const patient = <A, R>(effect: Effect.Effect<A, KernFsError, R>) =>
  Effect.retry(effect, {
    while: (error) => error.isRetryable,
    schedule: Schedule.min([Schedule.spaced("50 millis")]).pipe(Schedule.upTo({ times: 100 }))
  })

/** A group of that name below the mount, removed with the scope. */
export const makeGroup = Effect.fnUntraced(function* (name: string) {
  const fs = yield* KernFs
  const cgroups = yield* Cgroups
  yield* Effect.acquireRelease(fs.mkdir(cgroups.path(name)), () => Effect.ignore(patient(fs.rmdir(cgroups.path(name)))))
  return name
})

const inGroup = Effect.fnUntraced(function* (group: string, command: string, args: ReadonlyArray<string>) {
  const fs = yield* KernFs
  const cgroups = yield* Cgroups
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(command, args, { stdio: "ignore" })),
    (child) =>
      Effect.gen(function* () {
        // Out of the group first: a fake kernel does not see the process die, a real one sees it late.
        yield* Effect.ignore(fs.write(cgroups.path("", "cgroup.procs"), String(child.pid)))
        child.kill("SIGKILL")
      })
  )
  const pid = child.pid ?? 0
  if (pid > 0) yield* fs.write(cgroups.path(group, "cgroup.procs"), String(pid))
  return pid
})

/** A process that sleeps in the group; ends with the scope. */
export const sleeper = (group: string) => inGroup(group, "sleep", ["60"])

/** Charges the group with at least `bytes` of anonymous memory, held until the scope closes; `touchesOn`: and used over and over. */
export const charge = Effect.fnUntraced(function* (group: string, bytes: Bytes, options?: { readonly touchesOn?: boolean }) {
  const cgroups = yield* Cgroups
  // It allocates after it has been moved into the group: memory stays charged to where it was first touched.
  // One that does not touch it sleeps: who wakes up faults its own pages in, and a reclaim that finds something each time goes on for as long.
  const then = options?.touchesOn === true ? "setInterval(() => { for (let i = 0; i < held.length; i += 4096) held[i]++ }, 20)" : ""
  const program = `setTimeout(() => { globalThis.held = Buffer.alloc(${bytes}, "wmo"); ${then} }, 500); setInterval(() => {}, 1e6)`
  yield* inGroup(group, process.execPath, ["-e", program])
  // Where it grows in time, it has grown when it stands still: its own memory comes on top of what it was asked for.
  for (let tries = 0, before = 0; tries < 600; tries++) {
    const current = yield* cgroups.read(group, memoryCurrent)
    if (current >= bytes && (tries === 0 || current - before < bytes / 64)) return
    before = current
    yield* Effect.sleep(Duration.millis(100))
  }
})
