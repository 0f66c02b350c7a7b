/**
 * zram devices: what is stored in them and what it takes, their set-up, and their commands (idle, writeback, recompress, compact).
 * Settings are written at once and not journalled: a device in use cannot be changed, only one of your own. What it takes is charged to
 * no group. Source: kernel Documentation/admin-guide/blockdev/zram.rst. Devices are named by number: 0 is zram0.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import type { Codec } from "../Codec.ts"
import { type Held, KernFs, type KernelError } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { bytesFile, wordFile } from "../Scalars.ts"
import { switchFile } from "../cgroups/groupFiles.ts"
import type { Bytes, Pages } from "../Units.ts"
import {
  encodeAlgorithmParameters,
  encodeIdle,
  encodeRecompress,
  encodeWriteback,
  type ZramAlgorithmParameters,
  type ZramAlgorithms,
  type ZramBdStat,
  zramBdStat,
  zramCompAlgorithm,
  type ZramDebugStat,
  zramDebugStat,
  type ZramIdle,
  type ZramIoStat,
  zramIoStat,
  type ZramMmStat,
  zramMmStat,
  zramRecompAlgorithm,
  type ZramRecompress,
  type ZramWriteback
} from "./zramFiles.ts"

/** A device at one moment. What this kernel lacks is undefined. */
export interface ZramDevice {
  /** 0 while it has no size. */
  readonly diskBytes: Bytes
  readonly isInitialized: boolean
  readonly algorithms: ZramAlgorithms
  /** By priority; since 6.2 with CONFIG_ZRAM_MULTI_COMP. */
  readonly recompression?: ReadonlyArray<ZramAlgorithms & { readonly priority: number }> | undefined
  readonly mm: ZramMmStat
  readonly io: ZramIoStat
  /** With CONFIG_ZRAM_WRITEBACK. */
  readonly backing?: ZramBdStat | undefined
  /** Path of the backing device, `none` without. */
  readonly backingDevice?: string | undefined
  /** Pages of 4 KiB that may still be written back, if the limit is on. */
  readonly writebackLimitPages?: Pages | undefined
  readonly isWritebackLimited?: boolean | undefined
  readonly maxCompStreams?: number | undefined
  readonly debug?: ZramDebugStat | undefined
}

/** How much smaller what is stored is than it was; `undefined` where nothing is. */
export const zramRatio = ({ memUsedBytes, origDataBytes }: ZramMmStat): number | undefined =>
  memUsedBytes === 0 || origDataBytes === 0 ? undefined : origDataBytes / memUsedBytes

/** Knobs that can be written; the first three only before the device has a size (`Busy` after). */
export interface ZramSettings {
  /** Sizes the device, and with that sets it up; last of all. Rounded up to pages. */
  readonly diskBytes?: Bytes | undefined
  readonly algorithm?: string | undefined
  readonly backingDevice?: string | undefined
  /** 0: none. */
  readonly memLimitBytes?: Bytes | undefined
  /** A secondary algorithm, `priority` 1 to 3 (since 6.2). */
  readonly recompression?: ReadonlyArray<{ readonly algorithm: string; readonly priority: number }> | undefined
  /** Turns the limit on with that many pages; `"none"` turns it off. */
  readonly writebackLimitPages?: Pages | "none" | undefined
}

const diskSize = bytesFile("disksize")
const initState = switchFile("initstate")
const wholeFile = wordFile("backing_dev")

export class Zram extends Context.Service<
  Zram,
  {
    /** Numbers of the devices; none where the module is not loaded. */
    readonly devices: Effect.Effect<ReadonlyArray<number>, KernFsError>
    /** Everything a device says of itself. `NotFound` where there is no such device. */
    readonly read: (device: number) => Effect.Effect<ZramDevice, KernelError>
    /** Keeps `mm_stat` open for sampling. */
    readonly hold: (device: number) => Effect.Effect<Held<ZramMmStat>, KernFsError, Scope.Scope>
    /** Absolute path of one of the device's files. */
    readonly path: (device: number, file: string) => string
    /** Writes settings in the order in which the kernel wants them. */
    readonly setUp: (device: number, settings: ZramSettings) => Effect.Effect<void, KernFsError>
    /** Marks pages as idle (since 4.21). `Invalid` for an age where the kernel does not track one. */
    readonly markIdle: (device: number, which: ZramIdle) => Effect.Effect<void, KernFsError>
    /** Writes to the backing device. Blocks a pool thread; `NoDevice` without a backing device, `NotFound` where the kernel has no writeback. */
    readonly writeback: (device: number, what: ZramWriteback) => Effect.Effect<void, KernFsError>
    /** Compresses again. Blocks a pool thread. `NotFound` where the kernel has no such thing. */
    readonly recompress: (device: number, which: ZramRecompress) => Effect.Effect<void, KernFsError>
    /** Compacts the allocator's pool. */
    readonly compact: (device: number) => Effect.Effect<void, KernFsError>
    /** `mem_used_max` counts anew from now. */
    readonly resetUsedMax: (device: number) => Effect.Effect<void, KernFsError>
    /** Sets parameters of an algorithm (`algorithm_params`, since 6.12). */
    readonly setAlgorithmParameters: (device: number, parameters: ZramAlgorithmParameters) => Effect.Effect<void, KernFsError>
    /** Throws away what is in the device, and its set-up. `Busy` while it is open or swapped to. */
    readonly reset: (device: number) => Effect.Effect<void, KernFsError>
    /** A new device (`hot_add`, since 4.2), reset and removed with the scope. Gives its number. */
    readonly add: Effect.Effect<number, KernelError, Scope.Scope>
  }
>()("@wmo/core/Zram") {
  static readonly layer: Layer.Layer<Zram, never, KernFs> = Layer.effect(
    Zram,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const { sys } = yield* KernelRoots
      const path = (device: number, file: string): string => `${sys}/block/zram${device}/${file}`
      const control = `${sys}/class/zram-control`
      const read = <A>(device: number, codec: Codec<A>) => fs.decode(path(device, codec.file), codec)
      const optional = <A>(device: number, codec: Codec<A>) =>
        read(device, codec).pipe(
          Effect.catchIf(
            (error) => error._tag === "KernFsError" && error.isGone,
            () => Effect.succeed(undefined)
          )
        )
      const write = (device: number, file: string, text: string) => fs.writeBlocking(path(device, file), text)

      return Zram.of({
        path,
        devices: fs.list(`${sys}/block`).pipe(
          Effect.map((names) =>
            names.flatMap((name) => (/^zram\d{1,9}$/.test(name) ? [Number(name.slice(4))] : [])).toSorted((a, b) => a - b)
          ),
          Effect.catchIf(
            (error) => error.isGone,
            () => Effect.succeed<ReadonlyArray<number>>([])
          )
        ),
        read: (device) =>
          Effect.all({
            diskBytes: read(device, diskSize),
            isInitialized: read(device, initState),
            algorithms: read(device, zramCompAlgorithm),
            recompression: optional(device, zramRecompAlgorithm),
            mm: read(device, zramMmStat),
            io: read(device, zramIoStat),
            backing: optional(device, zramBdStat),
            backingDevice: optional(device, wholeFile),
            writebackLimitPages: optional(device, bytesFile("writeback_limit")),
            isWritebackLimited: optional(device, switchFile("writeback_limit_enable")),
            maxCompStreams: optional(device, bytesFile("max_comp_streams")),
            debug: optional(device, zramDebugStat)
          }),
        hold: (device) => fs.hold(path(device, zramMmStat.file), zramMmStat),
        setUp: Effect.fn("Zram.setUp")(function* (device, settings) {
          const { algorithm, backingDevice, diskBytes, memLimitBytes, recompression, writebackLimitPages } = settings
          if (algorithm !== undefined) yield* write(device, "comp_algorithm", algorithm)
          for (const secondary of recompression ?? []) {
            yield* write(device, "recomp_algorithm", `algo=${secondary.algorithm} priority=${secondary.priority}`)
          }
          if (backingDevice !== undefined) yield* write(device, "backing_dev", backingDevice)
          if (diskBytes !== undefined) yield* write(device, "disksize", String(diskBytes))
          if (memLimitBytes !== undefined) yield* write(device, "mem_limit", String(memLimitBytes))
          if (writebackLimitPages === "none") yield* write(device, "writeback_limit_enable", "0")
          else if (writebackLimitPages !== undefined) {
            yield* write(device, "writeback_limit_enable", "1")
            yield* write(device, "writeback_limit", String(writebackLimitPages))
          }
        }),
        markIdle: (device, which) => write(device, "idle", encodeIdle(which)),
        writeback: (device, what) => write(device, "writeback", encodeWriteback(what)),
        recompress: (device, which) => write(device, "recompress", encodeRecompress(which)),
        compact: (device) => write(device, "compact", "1"),
        resetUsedMax: (device) => write(device, "mem_used_max", "0"),
        setAlgorithmParameters: (device, parameters) => write(device, "algorithm_params", encodeAlgorithmParameters(parameters)),
        reset: (device) => write(device, "reset", "1"),
        add: Effect.acquireRelease(fs.decode(`${control}/hot_add`, bytesFile("hot_add")), (device) =>
          Effect.ignore(
            Effect.andThen(Effect.ignore(write(device, "reset", "1")), fs.writeBlocking(`${control}/hot_remove`, String(device)))
          )
        )
      })
    })
  )
}
