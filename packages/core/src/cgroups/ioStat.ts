/**
 * `io.stat`: bytes and operations by block device (`8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`), nested-keyed.
 * Does not name devices: `8:0` is major:minor, as in /sys/dev/block. Source: Documentation/admin-guide/cgroup-v2.rst, "IO Interface Files".
 * Some kernels print a device that has no numbers without a line end, so that two devices share a line: both are read.
 */
import { type Codec, counter, oneRecord, quote, reject, textCodec } from "../Codec.ts"

/** Keys that every kernel prints: bytes and operations, read, written, discarded. */
const ioCounters = ["rbytes", "wbytes", "rios", "wios", "dbytes", "dios"] as const

/** One device. Keys of io.cost and io.latency that are counts are kept under their names, others (`depth=max`) in `words`. */
export type IoDeviceStat = { readonly [K in (typeof ioCounters)[number]]?: bigint } & {
  readonly other?: Readonly<Record<string, bigint>>
  readonly words?: Readonly<Record<string, string>>
}

/** By device, `major:minor`. */
export type IoStat = Readonly<Record<string, IoDeviceStat>>

const device = /^\d{1,10}:\d{1,10}$/
const known: ReadonlySet<string> = new Set(ioCounters)

/** `io.stat` (4.5; `dbytes`, `dios` since 4.20). Only with the io controller; on the root since 5.9. */
export const ioStat: Codec<IoStat> = oneRecord(
  textCodec<IoStat>(
    "io.stat",
    (lines) => {
      const devices: Record<string, Record<string, bigint | Record<string, bigint | string>>> = {}
      lines.forEach((text, index) => {
        let current: Record<string, bigint | Record<string, bigint | string>> | undefined
        for (const field of text.split(" ").filter((part) => part !== "")) {
          if (device.test(field)) {
            current = devices[field] = {}
            continue
          }
          const [key, value, ...rest] = field.split("=")
          if (current === undefined) return reject(index + 1, `${quote(field)} comes before any device`)
          if (!key || !value || rest.length > 0) return reject(index + 1, `${quote(field)} is not key=value`)
          if (known.has(key)) current[key] = counter(value, index + 1)
          else if (/^\d/.test(value)) put(current, "other", key, counter(value, index + 1))
          else put(current, "words", key, value)
        }
      })
      return devices as IoStat
    },
    (devices) =>
      Object.entries(devices)
        .map(
          ([name, { other, words, ...counts }]) =>
            `${[name, ...Object.entries({ ...counts, ...other, ...words }).map(([key, value]) => `${key}=${value}`)].join(" ")}\n`
        )
        .join("")
  )
)

const put = (
  target: Record<string, bigint | Record<string, bigint | string>>,
  group: string,
  key: string,
  value: bigint | string
): void => {
  const values = (target[group] ??= {}) as Record<string, bigint | string>
  Object.defineProperty(values, key, { value, enumerable: true, configurable: true, writable: true })
}
