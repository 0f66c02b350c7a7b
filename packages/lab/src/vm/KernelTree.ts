/**
 * Finds kernels: an image, its version, its modules and its configuration, in the cache or next to a given file.
 * It looks only; fetching is `VmInstall`, choosing modules is `KernelModules`.
 * The version comes from the image itself (Documentation/arch/x86/boot.rst, `kernel_version`), not from its file name.
 */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { Effect } from "effect"
import type { VmCache } from "./VmCache.ts"
import { vmError, type VmError } from "./VmError.ts"

export interface KernelTree {
  /** The bootable image. */
  readonly image: string
  /** As `uname -r` will print it. */
  readonly version: string
  /** The directory with `modules.builtin` and `kernel/`. */
  readonly modules: string
  /** `CONFIG_ZSWAP`: undefined where there is no configuration to look at. */
  readonly zswap: boolean | undefined
}

const headerBytes = 0x10000

/** The version inside an x86 boot image, or undefined where it is not one. */
export const imageVersion = (start: Buffer): string | undefined => {
  if (start.length < 0x210 || start.toString("latin1", 0x202, 0x206) !== "HdrS") return undefined
  const at = start.readUInt16LE(0x20e) + 0x200
  const end = start.indexOf(0, at)
  const words = end < 0 ? "" : start.toString("latin1", at, end)
  return /^[\w.+~-]+/.exec(words)?.[0]
}

const readStart = (path: string): Buffer => {
  const fd = openSync(path, "r")
  try {
    const buffer = Buffer.alloc(headerBytes)
    return buffer.subarray(0, readSync(fd, buffer, 0, headerBytes, 0))
  } finally {
    closeSync(fd)
  }
}

/** Which of a series a version is: `6.12.117+deb12-amd64` is of `6.12`, not of `6.1`. */
export const isOfSeries = (version: string, series: string): boolean => version === series || version.startsWith(`${series}.`)

/** Compares versions number by number, so that 6.12 is above 6.9 and 6.1.0-56 above 6.1.0-9. */
export const compareVersions = (left: string, right: string): number => left.localeCompare(right, "en", { numeric: true })

const zswapOf = (image: string, modules: string, version: string): boolean | undefined => {
  const config = [join(dirname(image), `config-${version}`), join(modules, "config")].find((path) => existsSync(path))
  return config === undefined ? undefined : /^CONFIG_ZSWAP=y$/m.test(readFileSync(config, "utf8"))
}

/** The kernel of an image file, with its modules from the same unpacked tree, next to it, or installed on this machine. */
export const kernelAt = Effect.fn("KernelTree.kernelAt")(function* (file: string) {
  const image = resolve(file)
  const version = yield* Effect.try({
    try: () => imageVersion(readStart(image)),
    catch: (cause) => vmError("Usage", `cannot read the kernel ${image}: ${cause instanceof Error ? cause.message : String(cause)}`)
  })
  if (version === undefined) return yield* vmError("Usage", `${image} is not an x86 kernel image: give a vmlinuz file`)
  const modules = [
    join(dirname(image), "..", "lib", "modules", version),
    join(dirname(image), "..", "usr", "lib", "modules", version),
    dirname(image),
    join("/lib/modules", version)
  ].find((path) => existsSync(join(path, "modules.builtin")))
  if (modules === undefined) {
    return yield* vmError(
      "KernelLacks",
      `no modules of ${version} next to ${image} nor in /lib/modules: unpack them as ../lib/modules/${version}`
    )
  }
  const tree: KernelTree = { image, version, modules: resolve(modules), zswap: zswapOf(image, modules, version) }
  return tree
})

/** Every kernel of the cache, newest first. What cannot be read is left out. */
export const cachedKernels = Effect.fn("KernelTree.cachedKernels")(function* (cache: VmCache) {
  const images = yield* Effect.sync(() =>
    existsSync(cache.kernels)
      ? readdirSync(cache.kernels).flatMap((name) => {
          const boot = join(cache.kernels, name, "boot")
          return existsSync(boot) ? readdirSync(boot).flatMap((file) => (file.startsWith("vmlinuz-") ? [join(boot, file)] : [])) : []
        })
      : []
  )
  const trees: Array<KernelTree> = []
  for (const image of images) {
    const tree = yield* kernelAt(image).pipe(Effect.catch(() => Effect.undefined))
    if (tree !== undefined) trees.push(tree)
  }
  return trees.toSorted((left, right) => compareVersions(right.version, left.version) || basename(left.image).localeCompare(right.image))
})

/** The kernel to boot: the given file, or the newest of the cache (of a series). */
export const chooseKernel = Effect.fn("KernelTree.choose")(function* (
  cache: VmCache,
  wanted: { readonly kernel: string | undefined; readonly kernelSeries: string | undefined }
): Effect.fn.Return<KernelTree, VmError> {
  if (wanted.kernel !== undefined) return yield* kernelAt(wanted.kernel)
  const series = wanted.kernelSeries
  const found = (yield* cachedKernels(cache)).find((tree) => series === undefined || isOfSeries(tree.version, series))
  if (found !== undefined) return found
  const flag = series === undefined ? "" : ` --kernel-series ${series}`
  return yield* vmError(
    "NotInstalled",
    `no ${series === undefined ? "" : `${series} `}kernel for the VM yet: run \`wmo vm setup --install${flag}\`, or give one with --kernel FILE`
  )
})
