/**
 * Which kernel modules the guest needs and in which order they go in, from `modules.dep` and `modules.builtin` (depmod(8)).
 * It reads text only; unpacking and inserting are somebody else's.
 */
import { Result } from "effect"
import { vmError, type VmError } from "./VmError.ts"

/** Dependencies by module path, as `modules.dep` has them. */
export type ModuleDependencies = ReadonlyMap<string, ReadonlyArray<string>>

/** `kernel/fs/9p/9p.ko.xz` → `9p`. Dashes and underscores are the same to the kernel; underscores here. */
export const moduleName = (path: string): string =>
  path
    .slice(path.lastIndexOf("/") + 1)
    .replace(/\.ko(?:\.\w+)?$/, "")
    .replaceAll("-", "_")

/** Lines of `path: dependency dependency…`; other lines (aliases, symbols of `depmod -n`) are passed over. */
export const parseModulesDep = (text: string): ModuleDependencies => {
  const dependencies = new Map<string, ReadonlyArray<string>>()
  for (const line of text.split("\n")) {
    const match = /^(\S+\.ko(?:\.\w+)?):(.*)$/.exec(line)
    if (match !== null)
      dependencies.set(
        match[1]!,
        match[2]!.split(" ").filter((word) => word !== "")
      )
  }
  return dependencies
}

/** The names in `modules.builtin`: one path a line. */
export const parseModulesBuiltin = (text: string): ReadonlySet<string> =>
  new Set(text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [moduleName(line.trim())])))

export interface WantedModules {
  /** Fails where neither a module nor built in. */
  readonly required: ReadonlyArray<string>
  /** Inserted where there is such a module. */
  readonly optional: ReadonlyArray<string>
}

/** What every guest needs, plus the zswap compressor and the swap device that were asked for. */
export const guestModules = (options: { readonly zswap: string | undefined; readonly zram: boolean }): WantedModules => ({
  required: [
    "virtio_pci",
    "virtio_console",
    "9pnet_virtio",
    "9p",
    "overlay",
    ...(options.zram ? ["zram"] : []),
    ...(options.zswap === undefined ? [] : [options.zswap.replaceAll("-", "_")])
  ],
  optional: ["virtio_ring", "zsmalloc", "netfs", "lz4_compress", "lz4hc_compress"]
})

/**
 * The paths to insert, each after what it depends on, without what is built in.
 * Fails with reason `KernelLacks` where a required module does not exist.
 */
export const moduleOrder = (
  dependencies: ModuleDependencies,
  builtin: ReadonlySet<string>,
  wanted: WantedModules
): Result.Result<ReadonlyArray<string>, VmError> => {
  const paths = new Map([...dependencies.keys()].map((path) => [moduleName(path), path]))
  const order = new Set<string>()
  const visiting = new Set<string>()
  const visit = (path: string): void => {
    if (order.has(path) || visiting.has(path)) return
    visiting.add(path)
    for (const dependency of dependencies.get(path) ?? []) visit(dependency)
    order.add(path)
  }
  for (const name of wanted.required) {
    const path = paths.get(name)
    if (path !== undefined) visit(path)
    else if (!builtin.has(name)) {
      return Result.fail(
        vmError("KernelLacks", `this kernel has no module ${name}: choose another --kernel, or do without it (--zswap, --swap)`)
      )
    }
  }
  for (const name of wanted.optional) {
    const path = paths.get(name)
    if (path !== undefined) visit(path)
  }
  return Result.succeed([...order])
}
