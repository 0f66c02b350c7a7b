/**
 * Builds the initramfs: a shared part (busybox and modules in the order they go in, cached by a hash of what is in it) and a part of
 * one run (the two scripts), one after the other, which the kernel unpacks as one. About 1.6 MB.
 */
import { createHash } from "node:crypto"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as zlib from "node:zlib"
import { Effect } from "effect"
import { cpio, type CpioEntry } from "./Cpio.ts"
import { type GuestJob, stageOne, stageTwo } from "./GuestInit.ts"
import { guestModules, moduleName, moduleOrder, parseModulesBuiltin, parseModulesDep } from "./KernelModules.ts"
import type { KernelTree } from "./KernelTree.ts"
import { runTool } from "./Tools.ts"
import { type VmCache, writeWhole } from "./VmCache.ts"
import { vmError, type VmError } from "./VmError.ts"

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 24)

/** Changes with every file that is touched or replaced, without reading it. */
const stamp = (path: string): string => {
  const { mtimeMs, size } = statSync(path)
  return `${path} ${size} ${mtimeMs}`
}

/**
 * `modules.dep` of a kernel. Debian packages come without one (it is made on installation), so busybox's depmod makes it once,
 * in about 10 s, and the cache keeps it.
 */
export const modulesDep = Effect.fn("VmImage.modulesDep")(function* (cache: VmCache, kernel: KernelTree, busybox: string) {
  const own = join(kernel.modules, "modules.dep")
  const kept = join(cache.dependencies, `${sha256(stamp(join(kernel.modules, "modules.builtin")))}.dep`)
  const ready = [own, kept].find((path) => existsSync(path))
  if (ready !== undefined) return readFileSync(ready, "utf8")
  if (!kernel.modules.endsWith(`/lib/modules/${kernel.version}`)) {
    return yield* vmError("KernelLacks", `no modules.dep in ${kernel.modules}: run depmod ${kernel.version}`)
  }
  const base = kernel.modules.slice(0, -`/lib/modules/${kernel.version}`.length)
  const text = (yield* runTool(busybox, ["depmod", "-n", "-b", base === "" ? "/" : base, kernel.version])).toString()
  const lines = text.split("\n").filter((line) => /^\S+\.ko(?:\.\w+)?:/.test(line))
  const dep = `${lines.join("\n")}\n`
  yield* Effect.sync(() => writeWhole(kept, dep))
  return dep
})

const moduleBytes = (path: string, busybox: string): Effect.Effect<Uint8Array, VmError> => {
  if (path.endsWith(".xz")) return runTool(busybox, ["xz", "-dc", path])
  return Effect.try({
    try: () => {
      const bytes = readFileSync(path)
      return path.endsWith(".gz") ? zlib.gunzipSync(bytes) : path.endsWith(".zst") ? zlib.zstdDecompressSync(bytes) : bytes
    },
    catch: (cause) => vmError("KernelLacks", `cannot unpack the module ${path}: ${String(cause)}`)
  })
}

const directories: ReadonlyArray<CpioEntry> = ["bin", "modules", "proc", "sys", "dev", "host", "upper", "root"].map((path) => ({
  kind: "directory",
  path
}))

/** The shared part, compressed: from the cache, or made and put there. */
export const sharedImage = Effect.fn("VmImage.shared")(function* (
  cache: VmCache,
  kernel: KernelTree,
  busybox: string,
  wanted: { readonly zswap: string | undefined; readonly zram: boolean }
): Effect.fn.Return<Buffer, VmError> {
  const dependencies = parseModulesDep(yield* modulesDep(cache, kernel, busybox))
  const builtin = parseModulesBuiltin(readFileSync(join(kernel.modules, "modules.builtin"), "utf8"))
  const order = yield* Effect.fromResult(moduleOrder(dependencies, builtin, guestModules(wanted)))
  const paths = order.map((path) => join(kernel.modules, path))
  const file = join(cache.images, `${sha256([kernel.version, stamp(busybox), ...paths.map(stamp)].join("\n"))}.cpio.gz`)
  if (existsSync(file)) return readFileSync(file)
  const entries: Array<CpioEntry> = [...directories, { kind: "file", path: "bin/busybox", data: readFileSync(busybox), mode: 0o755 }]
  for (const [index, path] of paths.entries()) {
    const data = yield* moduleBytes(path, busybox)
    entries.push({ kind: "file", path: `modules/${String(index).padStart(2, "0")}-${moduleName(path)}.ko`, data })
  }
  const image = zlib.gzipSync(cpio(entries))
  yield* Effect.sync(() => writeWhole(file, image))
  return image
})

/** The whole image of one run. The kernel wants a new archive to begin at a multiple of four bytes. */
export const runImage = (shared: Buffer, job: GuestJob): Buffer =>
  Buffer.concat([
    shared,
    Buffer.alloc((4 - (shared.length % 4)) % 4),
    cpio([
      { kind: "file", path: "init", data: Buffer.from(stageOne()), mode: 0o755 },
      { kind: "file", path: "stage2", data: Buffer.from(stageTwo(job)), mode: 0o755 }
    ])
  ])
