/**
 * Where the VM lab keeps what it fetched and made: `$XDG_CACHE_HOME/wmo/vm`, or `~/.cache/wmo/vm`.
 * Everything below it can be deleted at any time and comes back with `wmo vm setup --install`.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, isAbsolute, join } from "node:path"

export interface VmCache {
  readonly root: string
  /** One unpacked kernel package per directory: `boot/vmlinuz-VERSION`, `lib/modules/VERSION`. */
  readonly kernels: string
  /** The statically linked busybox. */
  readonly busybox: string
  /** Packages on their way in. */
  readonly downloads: string
  /** Finished initramfs images, by hash. */
  readonly images: string
  /** `modules.dep` of kernel trees that come without one, by hash. */
  readonly dependencies: string
}

export const vmCacheAt = (root: string): VmCache => ({
  root,
  kernels: join(root, "kernels"),
  busybox: join(root, "busybox", "bin", "busybox"),
  downloads: join(root, "downloads"),
  images: join(root, "images"),
  dependencies: join(root, "dependencies")
})

/** The cache of this user. A relative `XDG_CACHE_HOME` is ignored, as its specification asks. */
export const vmCache = (env: NodeJS.ProcessEnv = process.env): VmCache => {
  const base = env["XDG_CACHE_HOME"]
  return vmCacheAt(join(base !== undefined && isAbsolute(base) ? base : join(env["HOME"] ?? homedir(), ".cache"), "wmo", "vm"))
}

/** Writes a file so that nobody ever sees half of it. */
export const writeWhole = (path: string, data: Uint8Array | string): void => {
  mkdirSync(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.partial`
  writeFileSync(partial, data)
  renameSync(partial, path)
}
