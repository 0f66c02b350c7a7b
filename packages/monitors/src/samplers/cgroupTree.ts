/**
 * Samples the groups of a cgroup tree, as they come and go, on held descriptors. Limits change rarely: they are read every few turns, not at all
 * groups in the same one. A group in which nothing has changed gives the same sample again.
 */
import { Cgroups, type Held, type KernelError, type KernFsError, type Milliseconds } from "@wmo/core"
import { Effect, Exit, Result, Scope, Stream } from "effect"
import { cgroupSubject, type Sample, type SampleValue } from "../Sample.ts"
import type { Sampler, Sampling } from "../Sampler.ts"
import { type CgroupFile, cgroupFiles } from "./cgroupMetrics.ts"
import { commonRoot, type GroupChoice, groupMatcher } from "./globs.ts"

export interface CgroupTreeOptions extends GroupChoice {
  /** How often the tree is listed though nothing was told (default 1 min). */
  readonly relistMs?: Milliseconds | undefined
  /** Files to read; default: `cgroupFiles`. */
  readonly files?: ReadonlyArray<CgroupFile> | undefined
  /** Limits (`memory.high` and so on) are read in every so manieth turn (default 5): so old their values may be. */
  readonly limitsEvery?: number | undefined
}

export interface CgroupTreeSampling extends Sampling {
  /** Names of the groups that are watched now. */
  readonly groups: () => ReadonlyArray<string>
}

interface File {
  readonly file: CgroupFile
  readonly held: Held<any>
  decoded: unknown
  values: ReadonlyArray<SampleValue>
  /** Of the metrics that `values` is of. */
  names: ReadonlyArray<string>
}

interface Group {
  readonly name: string
  /** In which turns its limits are read. */
  readonly phase: number
  readonly scope: Scope.Closeable
  readonly files: ReadonlyArray<File>
  sample: Sample | undefined
}

/** Shapes by the names of a file, and of a group: one array for all that have the same. */
class Shapes {
  private readonly known = new Map<string, ReadonlyArray<string>>()

  shared(names: ReadonlyArray<string>): ReadonlyArray<string> {
    const key = names.join(" ")
    let shared = this.known.get(key)
    if (shared === undefined) this.known.set(key, (shared = names))
    return shared
  }
}

const isGone = (error: KernelError): boolean => error._tag === "KernFsError" && error.isGone

export const cgroupTreeSampler = (
  options: CgroupTreeOptions = {}
): Omit<Sampler<KernFsError, Cgroups>, "make"> & {
  readonly make: Effect.Effect<CgroupTreeSampling, KernFsError, Cgroups | Scope.Scope>
} => ({
  name: "cgroups",
  needs: ["cgroup v2 with the memory controller"],
  kinds: ["cgroup"],
  make: Effect.gen(function* () {
    const cgroups = yield* Cgroups
    const { files: wanted = cgroupFiles, include, limitsEvery = 5, relistMs } = options
    const isWanted = groupMatcher(options)
    const groups = new Map<string, Group>()
    const shapes = new Shapes()
    let opened = 0
    let turn = 0

    const open = Effect.fnUntraced(function* (name: string) {
      const scope = yield* Scope.make()
      const files: Array<File> = []
      for (const file of wanted) {
        const held = yield* Effect.result(Scope.provide(cgroups.hold(name, file.codec), scope))
        if (Result.isSuccess(held)) files.push({ file, held: held.success, decoded: undefined, values: [], names: [] })
      }
      groups.set(name, { name, phase: opened++, scope, files, sample: undefined })
    })
    const close = Effect.fnUntraced(function* (name: string) {
      const group = groups.get(name)
      groups.delete(name)
      if (group !== undefined) yield* Scope.close(group.scope, Exit.void)
    })
    yield* Effect.addFinalizer(() => Effect.forEach([...groups.keys()], close, { discard: true }))

    // What is included may not be there yet: the nearest group that is there is watched.
    let root = commonRoot(include)
    while (root !== "" && !(yield* cgroups.exists(root))) root = root.includes("/") ? root.slice(0, root.lastIndexOf("/")) : ""
    if (isWanted(root)) yield* open(root)
    const first = yield* Stream.runCollect(cgroups.walk(root))
    for (const name of first) if (name !== root && isWanted(name)) yield* open(name)

    const follow = Stream.runForEach(cgroups.watch(root, relistMs === undefined ? {} : { every: relistMs }), ({ _tag, group }) => {
      if (_tag === "Gone") return close(group)
      return isWanted(group) && !groups.has(group) ? open(group) : Effect.void
    })
    yield* Effect.forkScoped(Effect.ignore(follow))

    /** Reads what there is of a group; undefined when it is gone. */
    const read = (group: Group): Sample | undefined => {
      let isChanged = group.sample === undefined
      const isTurnOfLimits = (group.phase + turn) % limitsEvery === 0
      for (const file of group.files) {
        if (!isTurnOfLimits && file.file.isSetting === true && file.values.length > 0) continue
        const result = file.held.readResult()
        if (Result.isFailure(result)) {
          if (isGone(result.failure)) return undefined
          if (file.values.length > 0) isChanged = true
          file.values = []
          file.names = []
          file.decoded = undefined
          continue
        }
        // The same value again: the file says what it said.
        if (result.success === file.decoded && file.values.length > 0) continue
        isChanged = true
        const values = file.file.values(result.success)
        if (values.length !== file.values.length || !sameKeys(file.decoded, result.success)) file.names = file.file.names(result.success)
        file.decoded = result.success
        file.values = values
      }
      if (!isChanged) return group.sample
      const values: Array<SampleValue> = []
      for (const file of group.files) for (const value of file.values) values.push(value)
      const before = group.sample?.metrics
      group.sample = { subject: group.sample?.subject ?? cgroupSubject(group.name), metrics: metricsOf(group, before), values }
      return group.sample
    }

    const metricsOf = (group: Group, before: ReadonlyArray<string> | undefined): ReadonlyArray<string> => {
      let length = 0
      let isSame = before !== undefined
      for (const { names } of group.files) {
        if (isSame && before![length] !== names[0] && names.length > 0) isSame = false
        length += names.length
      }
      if (isSame && before!.length === length) return before!
      return shapes.shared(group.files.flatMap(({ names }) => names))
    }

    const sample = Effect.suspend(() => {
      const samples: Array<Sample> = []
      const gone: Array<string> = []
      turn++
      for (const group of groups.values()) {
        const one = read(group)
        if (one === undefined) gone.push(group.name)
        else if (one.metrics.length > 0) samples.push(one)
      }
      if (gone.length === 0) return Effect.succeed(samples)
      return Effect.as(
        Effect.forEach(gone, (name) =>
          // Made again under its name: the descriptors are those of the one before.
          Effect.andThen(
            close(name),
            Effect.flatMap(cgroups.exists(name), (isThere) => (isThere ? open(name) : Effect.void))
          )
        ),
        samples
      )
    })
    return { sample, groups: () => [...groups.keys()] }
  })
})

/** Whether two decoded files have the same keys in the same order: their metrics have the same names. */
const sameKeys = (before: unknown, now: unknown): boolean => {
  if (typeof now !== "object" || now === null) return typeof before === typeof now
  if (typeof before !== "object" || before === null) return false
  const a = Object.keys(before)
  const b = Object.keys(now)
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
