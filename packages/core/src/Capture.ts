/**
 * Copies the pseudo-files that this library reads into a directory, so that a fake kernel can answer with what a real one said.
 * Reads through KernFs and writes only below `out`. Leaves out what does not concern memory or could be private: command lines,
 * environments, the host's name, other groups' rows of `lru_gen`, other file systems' rows of `mountinfo`.
 */
import { Clock, Data, Effect, Result, Schema } from "effect"
import * as nodeFs from "node:fs"
import { posix } from "node:path"
import { Cgroups } from "./Cgroups.ts"
import { KernFs } from "./KernFs.ts"
import { errnoOf, type KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import { mountInfo } from "./Proc.ts"

/** One file of a capture. `error`: the errno that reading gave instead of content. */
const capturedFile = Schema.Struct({
  path: Schema.String,
  mode: Schema.Int,
  size: Schema.Int,
  error: Schema.optionalKey(Schema.String)
})
export type CapturedFile = typeof capturedFile.Type

/** `manifest.json` of a capture. The content of a file is at `root/<path>` beside it. */
export const captureManifest = Schema.Struct({
  version: Schema.Literal(1),
  release: Schema.String,
  /** ISO 8601, UTC. */
  date: Schema.String,
  roots: Schema.Struct({
    cgroup: Schema.String,
    proc: Schema.String,
    sys: Schema.String,
    debug: Schema.String,
    tracing: Schema.optionalKey(Schema.String)
  }),
  cgroups: Schema.Array(Schema.String),
  files: Schema.Array(capturedFile)
})
export type CaptureManifest = typeof captureManifest.Type

/** The directory cannot be written. */
export class CaptureError extends Data.TaggedError("CaptureError")<{ readonly out: string; readonly problem: string }> {
  override get message(): string {
    return `cannot write the capture to ${this.out}: ${this.problem}; choose another directory`
  }
}

const groupFiles =
  /^(?:memory\..+|(?:cpu|io|irq)\.pressure|(?:cpu|io)\.stat|cgroup\.(?:controllers|subtree_control|events|stat|procs|freeze|type|pressure|max\.depth|max\.descendants))$/
const zramFiles = [
  "disksize",
  "initstate",
  "comp_algorithm",
  "recomp_algorithm",
  "mm_stat",
  "io_stat",
  "bd_stat",
  "debug_stat",
  "max_comp_streams",
  "writeback_limit",
  "writeback_limit_enable"
]
const deepest = 16
const utf8 = new TextDecoder()

/** Keeps the rows of the given groups. */
const lruGenOf = (text: string, paths: ReadonlySet<string>): string => {
  let isKept = true
  return text
    .split(/(?<=\n)/)
    .filter((line) => {
      const header = /^memcg\s+\d+\s(.*)\n$/.exec(line)
      if (header !== null) isKept = paths.has(header[1] || "/")
      return isKept
    })
    .join("")
}

/** Captures the root group, the groups named, and what concerns the whole machine. Takes about a millisecond a group; needs root for all of it. */
export const capture: (options: {
  readonly cgroups: ReadonlyArray<string>
  readonly out: string
}) => Effect.Effect<CaptureManifest, CaptureError, KernFs | Cgroups> = Effect.fn("capture")(function* ({ cgroups: names, out }) {
  const fs = yield* KernFs
  const cgroups = yield* Cgroups
  const roots = yield* KernelRoots
  const { debug, proc, sys } = roots
  const groups = [...new Set(["", ...names.map(cgroups.normalize)])]
  const paths = new Set(groups.map((group) => `/${group}`))
  const files: Array<CapturedFile> = []

  const attempt = <A>(run: () => A) =>
    Effect.try({
      try: run,
      catch: (cause) => new CaptureError({ out, problem: (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]! })
    })
  const list = (path: string) => Effect.orElseSucceed(fs.list(path), (): ReadonlyArray<string> => [])

  /** Copies a file, its content changed by `edit`; passes over what is not there. */
  const copy = Effect.fnUntraced(function* (path: string, edit: (text: string) => string = (text) => text) {
    const mode = yield* Effect.orElseSucceed(fs.mode(path), () => undefined)
    if (mode === undefined) return
    // Write-only commands would answer EACCES: their mode says it already, and some react to being opened.
    const read: Result.Result<Uint8Array, KernFsError> | undefined = (mode & 0o444) === 0 ? undefined : yield* Effect.result(fs.read(path))
    if (read !== undefined && Result.isFailure(read)) {
      files.push({ path, mode, size: 0, error: errnoOf(read.failure.reason) })
      return
    }
    const content = read === undefined ? "" : edit(utf8.decode(read.success))
    files.push({ path, mode, size: new TextEncoder().encode(content).length })
    yield* attempt(() => {
      nodeFs.mkdirSync(posix.dirname(`${out}/root${path}`), { recursive: true })
      nodeFs.writeFileSync(`${out}/root${path}`, content)
    })
  })

  const copyTree: (path: string, depth: number) => Effect.Effect<void, CaptureError> = Effect.fnUntraced(function* (path, depth) {
    const listed = yield* Effect.result(fs.list(path))
    if (Result.isFailure(listed)) return listed.failure.reason._tag === "NotDirectory" ? yield* copy(path) : undefined
    if (depth < deepest) for (const name of [...listed.success].toSorted()) yield* copyTree(`${path}/${name}`, depth + 1)
  })

  for (const group of groups) {
    for (const name of (yield* list(cgroups.path(group))).toSorted()) if (groupFiles.test(name)) yield* copy(cgroups.path(group, name))
  }
  for (const name of [
    "meminfo",
    "vmstat",
    "swaps",
    "zoneinfo",
    "sys/kernel/osrelease",
    "pressure/cpu",
    "pressure/io",
    "pressure/irq",
    "pressure/memory"
  ]) {
    yield* copy(`${proc}/${name}`)
  }
  yield* copy(`${proc}/self/mountinfo`, (text) => {
    const mounts = mountInfo.decode(new TextEncoder().encode(text))
    return Result.isFailure(mounts) ? "" : mountInfo.encode(mounts.success.filter(({ fsType }) => /^(?:cgroup2?|debugfs)$/.test(fsType)))
  })
  const thp = `${sys}/kernel/mm/transparent_hugepage`
  yield* copy(`${thp}/enabled`)
  for (const size of (yield* list(thp)).filter((name) => /^hugepages-\d+kB$/.test(name)).toSorted()) yield* copy(`${thp}/${size}/enabled`)
  for (const name of ["lru_gen", "lru_gen_full"]) yield* copy(`${debug}/${name}`, (text) => lruGenOf(text, paths))
  for (const tree of [`${debug}/zswap`, `${sys}/module/zswap/parameters`, `${sys}/kernel/mm/lru_gen`, `${sys}/kernel/mm/damon/admin`]) {
    yield* copyTree(tree, 0)
  }
  for (const module of (yield* list(`${sys}/module`)).filter((name) => name.startsWith("damon_")).toSorted()) {
    yield* copyTree(`${sys}/module/${module}/parameters`, 0)
  }
  for (const node of (yield* list(`${sys}/devices/system/node`)).filter((name) => /^node\d+$/.test(name))) {
    yield* copyTree(`${sys}/devices/system/node/${node}/workingset_report`, 0)
  }
  for (const device of (yield* list(`${sys}/block`)).filter((name) => /^zram\d+$/.test(name))) {
    for (const name of zramFiles) yield* copy(`${sys}/block/${device}/${name}`)
  }

  const release = yield* Effect.orElseSucceed(
    Effect.map(fs.read(`${proc}/sys/kernel/osrelease`), (bytes) => utf8.decode(bytes).trim()),
    () => "unknown"
  )
  const date = new Date(yield* Clock.currentTimeMillis).toISOString()
  const manifest: CaptureManifest = { version: 1, release, date, roots, cgroups: groups, files }
  yield* attempt(() => {
    nodeFs.mkdirSync(out, { recursive: true })
    nodeFs.writeFileSync(`${out}/manifest.json`, `${JSON.stringify(manifest, undefined, 2)}\n`)
  })
  return manifest
})
