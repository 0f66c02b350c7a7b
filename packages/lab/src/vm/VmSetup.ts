/**
 * What the VM needs and whether it is there: QEMU for this architecture, a static busybox, a kernel with its modules.
 * It looks and says; `VmInstall` fetches.
 */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { kvmVerdict } from "./Acceleration.ts"
import { cachedKernels, isOfSeries } from "./KernelTree.ts"
import { findProgram, isStatic, toolPath } from "./Tools.ts"
import type { VmCache } from "./VmCache.ts"
import { vmError, type VmError } from "./VmError.ts"

export interface VmPart {
  readonly name: "qemu" | "busybox" | "kernel" | "acceleration"
  readonly found: boolean
  /** Missing it, no VM runs. */
  readonly required: boolean
  /** A path, a version, or what is missing. */
  readonly detail: string
  /** How to get it, where it is not there. */
  readonly how: string | undefined
}

export interface VmSetupReport {
  readonly ready: boolean
  readonly parts: ReadonlyArray<VmPart>
}

const qemuName = "qemu-system-x86_64"
const kvmDetails = {
  works: "KVM",
  untried: "KVM answers; the first run will show whether it runs guests",
  fails: "KVM does not run guests here: they are emulated, several times slower"
} as const
const installHint = "wmo vm setup --install"

/** Fails with reason `Unsupported` where no guest of this architecture can be booted. */
export const requireArchitecture: Effect.Effect<void, VmError> = Effect.suspend(() =>
  process.platform === "linux" && process.arch === "x64"
    ? Effect.void
    : Effect.fail(
        vmError("Unsupported", `the VM is not supported here: it needs Linux on x86-64, this is ${process.platform} on ${process.arch}`)
      )
)

/** A busybox that runs in an empty root: the cache's, or this machine's where it is statically linked. */
export const findBusybox = (cache: VmCache): string | undefined =>
  [cache.busybox, "/bin/busybox", "/usr/bin/busybox", "/sbin/busybox.static"].find((path) => existsSync(path) && isStatic(path))

/** QEMU and busybox, or an error that says how to get them. */
export const requireParts = Effect.fnUntraced(function* (
  cache: VmCache
): Effect.fn.Return<{ readonly qemu: string; readonly busybox: string }, VmError> {
  yield* requireArchitecture
  const qemu = findProgram(qemuName, toolPath())
  if (qemu === undefined) return yield* vmError("NotInstalled", `${qemuName} is not installed: run \`${installHint}\``)
  const busybox = findBusybox(cache)
  if (busybox === undefined) return yield* vmError("NotInstalled", `no static busybox for the VM yet: run \`${installHint}\``)
  return { qemu, busybox }
})

/** What is there and what is missing. `series` narrows the kernels that count, for example `6.1`. */
export const vmSetup = Effect.fn("VmSetup.probe")(function* (cache: VmCache, series?: string): Effect.fn.Return<VmSetupReport, VmError> {
  yield* requireArchitecture
  const qemu = findProgram(qemuName, toolPath())
  const busybox = findBusybox(cache)
  const kernels = (yield* cachedKernels(cache)).filter((tree) => series === undefined || isOfSeries(tree.version, series))
  const kernel = kernels.find((tree) => tree.zswap !== false) ?? kernels[0]
  const kvm = qemu === undefined ? "fails" : yield* kvmVerdict(cache, qemu)
  const seriesFlag = series === undefined ? "" : ` --kernel-series ${series}`
  const parts: ReadonlyArray<VmPart> = [
    {
      name: "qemu",
      found: qemu !== undefined,
      required: true,
      detail: qemu ?? `${qemuName} is not installed`,
      how: qemu === undefined ? `${installHint} (Debian: apt-get install --no-install-recommends qemu-system-x86)` : undefined
    },
    {
      name: "busybox",
      found: busybox !== undefined,
      required: true,
      detail: busybox ?? "no statically linked busybox",
      how: busybox === undefined ? `${installHint} (Debian: busybox-static)` : undefined
    },
    {
      name: "kernel",
      found: kernel !== undefined,
      required: true,
      detail:
        kernel === undefined
          ? `no ${series === undefined ? "" : `${series} `}kernel with modules in the cache`
          : `${kernel.version}${kernel.zswap === false ? " (without zswap)" : ""}: ${kernel.image}`,
      how: kernel === undefined ? `${installHint}${seriesFlag}, or give one to each run with --kernel FILE` : undefined
    },
    {
      name: "acceleration",
      found: kvm !== "fails",
      required: false,
      detail: kvmDetails[kvm],
      how: kvm !== "fails" ? undefined : "run on bare metal, or where nested virtualisation is on, with access to /dev/kvm"
    }
  ]
  return { ready: parts.every((part) => part.found || !part.required), parts }
})
