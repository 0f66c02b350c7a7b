/**
 * Fetches what the VM needs, on Debian and its like: QEMU is installed with apt, busybox and a kernel are only unpacked into the cache,
 * so that this machine does not change more than it must. Can be run again at any time: it goes on where it stopped.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { cachedKernels, compareVersions, isOfSeries } from "./KernelTree.ts"
import { findProgram, runTool, toolPath } from "./Tools.ts"
import type { VmCache } from "./VmCache.ts"
import { vmError, type VmError } from "./VmError.ts"
import { modulesDep } from "./VmImage.ts"
import { findBusybox, requireArchitecture } from "./VmSetup.ts"

/** Says what is going on, one line at a time. */
export type Progress = (line: string) => Effect.Effect<void>

export const defaultSeries = "6.12"
const qemuPackage = "qemu-system-x86"
const isRoot = (): boolean => process.getuid?.() === 0

/**
 * The package to take of those that `apt-cache search` lists: the newest full kernel of the series. Not `-cloud-` (no zswap), not `-rt-`,
 * no debug symbols; unsigned before signed of the same version.
 */
export const pickKernelPackage = (listing: string, series: string): string | undefined =>
  listing
    .split("\n")
    .flatMap((line) => {
      const match = /^(linux-image-(\d\S*?)-amd64(-unsigned)?)(?:\s|$)/.exec(line)
      if (match === null || /-(?:cloud|rt)$/.test(match[2]!) || !isOfSeries(match[2]!, series)) return []
      return [{ name: match[1]!, version: match[2]!, unsigned: match[3] !== undefined }]
    })
    .toSorted((left, right) => compareVersions(right.version, left.version) || Number(right.unsigned) - Number(left.unsigned))[0]?.name

const aptOptions = (): ReadonlyArray<string> => ["-qq", ...(isRoot() ? ["-o", "APT::Sandbox::User=root"] : [])]

const noninteractive = { DEBIAN_FRONTEND: "noninteractive" }

/** Refreshes apt's lists, where we may; without the right to, the lists have to do as they are. */
const refresh = Effect.fnUntraced(function* (progress: Progress) {
  if (!isRoot()) return
  yield* progress("refreshing the package lists (apt-get update)")
  yield* runTool("apt-get", [...aptOptions(), "update"])
})

const requireDebian: Effect.Effect<void, VmError> = Effect.suspend(() =>
  existsSync("/etc/debian_version") && findProgram("apt-get", toolPath()) !== undefined && findProgram("dpkg", toolPath()) !== undefined
    ? Effect.void
    : Effect.fail(
        vmError(
          "Unsupported",
          "--install knows Debian only: install qemu-system-x86_64 and a static busybox with this system's package manager, and give a kernel with --kernel FILE"
        )
      )
)

const installQemu = Effect.fnUntraced(function* (progress: Progress) {
  const found = findProgram("qemu-system-x86_64", toolPath())
  if (found !== undefined) return yield* progress(`QEMU is there: ${found}`)
  if (!isRoot()) {
    return yield* vmError(
      "Install",
      `installing QEMU takes root: run \`apt-get install --no-install-recommends ${qemuPackage}\` as root, then this again`
    )
  }
  const install = runTool("apt-get", [...aptOptions(), "install", "--yes", "--no-install-recommends", qemuPackage], { env: noninteractive })
  yield* progress(`installing ${qemuPackage} (apt-get install)`)
  yield* install.pipe(Effect.catch(() => Effect.andThen(refresh(progress), install)))
})

/** The file of a package among the downloads, if it is there. */
const downloaded = (cache: VmCache, name: string): string | undefined => {
  const file = readdirSync(cache.downloads).find((entry) => entry.startsWith(`${name}_`) && entry.endsWith(".deb"))
  return file === undefined ? undefined : join(cache.downloads, file)
}

/** Downloads a package and unpacks it to `target`, which appears whole or not at all. */
const fetchPackage = Effect.fnUntraced(function* (cache: VmCache, name: string, target: string, progress: Progress) {
  yield* Effect.sync(() => mkdirSync(cache.downloads, { recursive: true }))
  const partial = join(cache.downloads, `unpack-${name}-${process.pid}`)
  const download = Effect.fnUntraced(function* () {
    yield* progress(`downloading ${name} (apt-get download)`)
    yield* runTool("apt-get", [...aptOptions(), "download", name], { cwd: cache.downloads })
  })
  const unpack = Effect.fnUntraced(function* () {
    const file = downloaded(cache, name)
    if (file === undefined) return yield* vmError("Install", `apt-get download ${name} left no package in ${cache.downloads}`)
    yield* progress(`unpacking ${name} (${Math.round(statSync(file).size / 2 ** 20)} MiB)`)
    yield* Effect.sync(() => rmSync(partial, { recursive: true, force: true }))
    yield* runTool("dpkg", ["-x", file, partial])
    return file
  })
  const place = Effect.gen(function* () {
    if (downloaded(cache, name) === undefined) yield* download()
    // A download that broke off is found out here: fetch it anew, once.
    const file = yield* unpack().pipe(
      Effect.catch(() => {
        const broken = downloaded(cache, name)
        if (broken !== undefined) rmSync(broken, { force: true })
        return Effect.andThen(download(), unpack())
      })
    )
    yield* Effect.try({
      try: () => {
        rmSync(target, { recursive: true, force: true })
        mkdirSync(join(target, ".."), { recursive: true })
        renameSync(partial, target)
        rmSync(file, { force: true })
      },
      catch: (cause) => vmError("Install", `cannot write ${target}: ${cause instanceof Error ? cause.message : String(cause)}`)
    })
  })
  yield* Effect.ensuring(
    place,
    Effect.sync(() => rmSync(partial, { recursive: true, force: true }))
  )
})

const installBusybox = Effect.fnUntraced(function* (cache: VmCache, progress: Progress) {
  const found = findBusybox(cache)
  if (found !== undefined) {
    yield* progress(`busybox is there: ${found}`)
    return found
  }
  const fetch = fetchPackage(cache, "busybox-static", join(cache.busybox, "..", ".."), progress)
  yield* fetch.pipe(Effect.catch(() => Effect.andThen(refresh(progress), fetch)))
  return cache.busybox
})

const ofSeries = Effect.fnUntraced(function* (cache: VmCache, series: string) {
  return (yield* cachedKernels(cache)).find((tree) => isOfSeries(tree.version, series) && tree.zswap !== false)
})

const installKernel = Effect.fnUntraced(function* (cache: VmCache, series: string, progress: Progress) {
  const found = yield* ofSeries(cache, series)
  if (found !== undefined) {
    yield* progress(`a ${series} kernel is there: ${found.version}`)
    return found
  }
  const find = runTool("apt-cache", ["search", "--names-only", "^linux-image-"]).pipe(
    Effect.map((listing) => pickKernelPackage(listing.toString(), series))
  )
  const fetch = Effect.gen(function* () {
    const name = yield* find
    if (name === undefined)
      return yield* vmError("Install", `apt knows no full ${series} kernel: give one with --kernel FILE, or another --kernel-series`)
    yield* fetchPackage(cache, name, join(cache.kernels, name), progress)
  })
  yield* fetch.pipe(Effect.catch(() => Effect.andThen(refresh(progress), fetch)))
  const tree = yield* ofSeries(cache, series)
  return (
    tree ??
    (yield* vmError("Install", `the ${series} kernel package was unpacked into ${cache.kernels}, but holds no kernel image with modules`))
  )
})

/** Fetches whatever is missing. Fails with reason `Unsupported` away from Debian, `Install` where a step fails. */
export const vmInstall = Effect.fn("VmSetup.install")(function* (
  cache: VmCache,
  series: string,
  progress: Progress
): Effect.fn.Return<void, VmError> {
  yield* requireArchitecture
  yield* requireDebian
  yield* installQemu(progress)
  const busybox = yield* installBusybox(cache, progress)
  const kernel = yield* installKernel(cache, series, progress)
  yield* progress(`listing the modules of ${kernel.version}`)
  yield* modulesDep(cache, kernel, busybox)
})
