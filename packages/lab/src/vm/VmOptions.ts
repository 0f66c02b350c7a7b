/**
 * What a VM run is made of, and how its options read as text. Nothing here touches the machine.
 * Sizes and durations are written as everywhere in WMO (`2G`, `64MiB`, `5m`).
 */
import { type Bytes, type Milliseconds, parseBytes, parseDuration } from "@wmo/core"
import { Result } from "effect"
import { vmError, type VmError } from "./VmError.ts"

/** A swap device for the guest. zswap needs one behind it, or there is nothing that it could swap out to. */
export type VmSwap = { readonly kind: "none" } | { readonly kind: "zram"; readonly size: Bytes }

/** When the guest's kernel makes anonymous memory of huge pages: as in /sys/kernel/mm/transparent_hugepage/enabled. */
export type VmThp = (typeof thpModes)[number]
const thpModes = ["always", "madvise", "never"] as const

export interface VmOptions {
  /** Memory of the guest. Default 2 GiB. */
  readonly memory: Bytes
  /** Virtual CPUs. Default 2. */
  readonly cpus: number
  /** The zswap compressor; undefined leaves zswap off. Default `lz4`. */
  readonly zswap: string | undefined
  /** Default a zram device of 1 GiB. */
  readonly swap: VmSwap
  /**
   * Transparent huge pages. Default `madvise`, for honest figures: before 6.13 zswap does not store huge pages. They pass it by on their way
   * to the swap device, here zram, which is charged to no group: with `always`, `memory.current` promises savings that the machine never sees.
   */
  readonly thp: VmThp
  /** A kernel image; undefined takes the newest of the cache. */
  readonly kernel: string | undefined
  /** Which of the cached kernels: `6.12`, `6.1`. Undefined takes the newest. */
  readonly kernelSeries: string | undefined
  /**
   * Time by counting: every instruction takes 2^icount ns, so that what runs on the host besides does not show and results repeat (throughput
   * within 0.3 % where the clock gives 15 %). Caches and memory cost nothing, and KVM is not used. Take one CPU: several take turns, each for a slice
   * of milliseconds, and so long a TLB flush on another CPU waits: reclaim from elsewhere fell to 250 pages a second. Undefined: the host's clock.
   */
  readonly icount: number | undefined
  /** How long the command may run, counted from its start; undefined for as long as it likes. */
  readonly timeout: Milliseconds | undefined
  /** How long the guest may take from the start of QEMU to the start of the command. Default 2 minutes (emulated: about 5 s). */
  readonly bootTimeout: Milliseconds
  /** A directory of the host that the command may write to, at the same path. */
  readonly out: string | undefined
  /** Environment of the command on top of PATH, HOME, TMPDIR, LANG and TERM of the caller. */
  readonly env: Readonly<Record<string, string>>
}

export const defaultVmOptions: VmOptions = {
  memory: 2 * 2 ** 30,
  cpus: 2,
  zswap: "lz4",
  swap: { kind: "zram", size: 2 ** 30 },
  thp: "madvise",
  kernel: undefined,
  kernelSeries: undefined,
  icount: undefined,
  timeout: undefined,
  bootTimeout: 120_000,
  out: undefined,
  env: {}
}

/** The options as a command line has them: text. Undefined takes the default. */
export interface VmOptionTexts {
  readonly memory?: string | undefined
  readonly cpus?: string | undefined
  readonly zswap?: string | undefined
  readonly swap?: string | undefined
  readonly thp?: string | undefined
  readonly kernel?: string | undefined
  readonly kernelSeries?: string | undefined
  readonly icount?: string | undefined
  readonly timeout?: string | undefined
  readonly out?: string | undefined
  readonly env?: ReadonlyArray<string> | undefined
}

const smallestMemory: Bytes = 256 * 2 ** 20
const smallestSwap: Bytes = 2 ** 20
const compressors = ["lz4", "lz4hc", "lzo", "lzo-rle", "zstd", "deflate", "842"]

const usage = (message: string): Result.Result<never, VmError> => Result.fail(vmError("Usage", message))

const size = (option: string, text: string, smallest: Bytes, smallestText: string): Result.Result<Bytes, VmError> => {
  const parsed = parseBytes(text)
  if (Result.isFailure(parsed)) return usage(`${option}: ${parsed.failure}`)
  return parsed.success >= smallest
    ? Result.succeed(parsed.success)
    : usage(`${option}: ${text} is too small, give at least ${smallestText}`)
}

/** `none`, or `zram:SIZE`. */
const parseSwap = (text: string): Result.Result<VmSwap, VmError> => {
  if (text === "none") return Result.succeed({ kind: "none" })
  const match = /^zram:(.+)$/.exec(text)
  if (match === null) return usage(`--swap: "${text}" is neither none nor zram:SIZE, for example zram:1G`)
  return Result.map(size("--swap", match[1]!, smallestSwap, "1M"), (bytes): VmSwap => ({ kind: "zram", size: bytes }))
}

/** `K=V`, where K is a name and V anything, also empty. */
const parseEnv = (words: ReadonlyArray<string>): Result.Result<Readonly<Record<string, string>>, VmError> => {
  const env: Record<string, string> = {}
  for (const word of words) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/.exec(word)
    if (match === null) return usage(`--env: "${word}" is not NAME=VALUE`)
    env[match[1]!] = match[2]!
  }
  return Result.succeed(env)
}

/** Checks every option; fails with the first one that does not hold, reason `Usage`. */
export const parseVmOptions = (texts: VmOptionTexts): Result.Result<VmOptions, VmError> =>
  Result.gen(function* () {
    const memory = texts.memory === undefined ? defaultVmOptions.memory : yield* size("--memory", texts.memory, smallestMemory, "256M")
    const cpus = texts.cpus === undefined ? defaultVmOptions.cpus : /^\d+$/.test(texts.cpus) ? Number(texts.cpus) : 0
    if (cpus < 1 || cpus > 64) return yield* usage(`--cpus: "${texts.cpus}" is not a number of CPUs, give 1 to 64`)
    if (texts.zswap !== undefined && texts.zswap !== "off" && !compressors.includes(texts.zswap)) {
      return yield* usage(`--zswap: "${texts.zswap}" is not a compressor, give one of ${compressors.join(", ")}, or off`)
    }
    const swap = texts.swap === undefined ? defaultVmOptions.swap : yield* parseSwap(texts.swap)
    const thp = texts.thp === undefined ? defaultVmOptions.thp : thpModes.find((mode) => mode === texts.thp)
    if (thp === undefined) return yield* usage(`--thp: "${texts.thp}" is not a mode, give one of ${thpModes.join(", ")}`)
    if (texts.kernelSeries !== undefined && !/^\d+\.\d+$/.test(texts.kernelSeries)) {
      return yield* usage(`--kernel-series: "${texts.kernelSeries}" is not a series, give for example 6.12`)
    }
    const icount = texts.icount === undefined ? undefined : /^\d$/.test(texts.icount) ? Number(texts.icount) : -1
    if (icount === -1) return yield* usage(`--icount: "${texts.icount}" is not a number from 0 to 9, give 2 for 4 ns an instruction`)
    let timeout = defaultVmOptions.timeout
    if (texts.timeout !== undefined) {
      const parsed = parseDuration(texts.timeout)
      if (Result.isFailure(parsed)) return yield* usage(`--timeout: ${parsed.failure}`)
      if (parsed.success <= 0) return yield* usage("--timeout: give more than nothing, for example 5m")
      timeout = parsed.success
    }
    return {
      memory,
      cpus,
      zswap: texts.zswap === undefined ? defaultVmOptions.zswap : texts.zswap === "off" ? undefined : texts.zswap,
      swap,
      thp,
      kernel: texts.kernel,
      kernelSeries: texts.kernelSeries,
      icount,
      timeout,
      bootTimeout: defaultVmOptions.bootTimeout,
      out: texts.out,
      env: yield* parseEnv(texts.env ?? [])
    }
  })
