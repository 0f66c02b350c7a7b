/**
 * zram of the fake kernel, as drivers/block/zram/zram_drv.c of Debian's 6.12 answers: with writeback and idle ages, without recompression
 * (CONFIG_ZRAM_MULTI_COMP is not set there). Stores nothing; tests set what `mm_stat` says.
 */
import type { ZramMmStat } from "../zram/zramFiles.ts"
import { zramMmStat } from "../zram/zramFiles.ts"
import { pageSize } from "../Units.ts"
import { Errno, type FakeFile, type FakeFs } from "./FakeFs.ts"

const algorithms = ["lz4", "lz4hc", "zstd", "deflate"]
const control = "/sys/class/zram-control"

/** A size as memparse reads it: what follows the number and its suffix does not matter; no number is 0. */
const memparse = (text: string): number => {
  const [, digits, suffix] = /^(\d+)([KMGTPE]?)/i.exec(text) ?? []
  if (digits === undefined) return 0
  return Number(digits) * (suffix === "" ? 1 : 1024 ** ("kmgtpe".indexOf(suffix!.toLowerCase()) + 1))
}

export interface FakeZramDevice {
  diskBytes: number
  algorithm: string
  /** What `mm_stat` says, but for the limit. */
  stat: ZramMmStat
  /** Whether somebody has it open or swaps to it: neither reset nor removed then. */
  isOpen: boolean
  backingDevice: string | undefined
}

const emptyStat = (memLimitBytes: number): ZramMmStat => ({
  origDataBytes: 0,
  comprDataBytes: 0,
  memUsedBytes: 0,
  memLimitBytes,
  memUsedMaxBytes: 0,
  samePages: 0,
  pagesCompacted: 0,
  hugePages: 0,
  hugePagesSince: 0
})

export class FakeZram {
  readonly devices = new Map<number, FakeZramDevice>()
  private readonly fs: FakeFs

  /** Device 0 is there and swapped to, as in the VM. */
  constructor(fs: FakeFs, diskBytes: number) {
    this.fs = fs
    const first = this.add()
    const device = this.devices.get(first)!
    device.diskBytes = diskBytes
    device.isOpen = true
    fs.file(`${control}/hot_add`, { read: () => `${this.add()}\n` }, 0o400)
    fs.file(`${control}/hot_remove`, { write: (text) => this.remove(text) }, 0o200)
  }

  private add(): number {
    let number = 0
    while (this.devices.has(number)) number++
    const device: FakeZramDevice = { diskBytes: 0, algorithm: algorithms[0]!, stat: emptyStat(0), isOpen: false, backingDevice: undefined }
    this.devices.set(number, device)
    this.addFiles(`/sys/block/zram${number}`, device)
    return number
  }

  private remove(text: string): void {
    if (!/^\d+$/.test(text.trim())) throw new Errno("EINVAL")
    const device = this.devices.get(Number(text))
    if (device === undefined) throw new Errno("ENODEV")
    if (device.isOpen) throw new Errno("EBUSY")
    this.devices.delete(Number(text))
    this.fs.remove(`/sys/block/zram${Number(text)}`)
  }

  private addFiles(path: string, device: FakeZramDevice): void {
    const isUp = () => device.diskBytes > 0
    const file = (name: string, content: FakeFile, mode?: number) => this.fs.file(`${path}/${name}`, content, mode)
    const reading = (name: string, read: () => string) => file(name, { read }, 0o444)
    const command = (name: string, write: (text: string) => void) => file(name, { write }, 0o200)
    const refuse = (code: string): never => {
      throw new Errno(code)
    }
    /** Commands on what is stored need a device that is set up. */
    const onlyUp = () => (isUp() ? undefined : refuse("EINVAL"))

    file("disksize", {
      read: () => `${device.diskBytes}\n`,
      write: (text) => {
        const bytes = memparse(text)
        if (bytes === 0) refuse("EINVAL")
        if (isUp()) refuse("EBUSY")
        device.diskBytes = Math.ceil(bytes / pageSize) * pageSize
      }
    })
    reading("initstate", () => (isUp() ? "1\n" : "0\n"))
    file("comp_algorithm", {
      read: () => `${algorithms.map((name) => (name === device.algorithm ? `[${name}]` : name)).join(" ")} \n`,
      write: (text) => {
        if (!algorithms.includes(text.trim())) refuse("EINVAL")
        if (isUp()) refuse("EBUSY")
        device.algorithm = text.trim()
      }
    })
    command("algorithm_params", (text) => void (/\balgo=(?!lz4\b)/.test(text) ? refuse("EINVAL") : undefined))
    reading("mm_stat", () => zramMmStat.encode(device.stat))
    reading("io_stat", () => "       0        0 0        0\n")
    reading("bd_stat", () => "       0        0        0\n")
    reading("debug_stat", () => "version: 1\n       0        0\n")
    // Of old: takes anything, and says how many CPUs there are.
    file("max_comp_streams", { read: () => "2\n", write: () => undefined })
    command("mem_limit", (text) => {
      if (memparse(text) === 0 && !text.startsWith("0")) refuse("EINVAL")
      device.stat = { ...device.stat, memLimitBytes: Math.ceil(memparse(text) / pageSize) * pageSize }
    })
    command("mem_used_max", (text) => {
      if (text.trim() !== "0") refuse("EINVAL")
      device.stat = { ...device.stat, memUsedMaxBytes: device.stat.memUsedBytes }
    })
    command("compact", onlyUp)
    command("idle", (text) => {
      if (text === "") return
      if (!/^(?:all|\d+)\n?$/.test(text)) refuse("EINVAL")
      onlyUp()
    })
    file("backing_dev", {
      read: () => `${device.backingDevice ?? "none"}\n`,
      write: (text) => {
        if (isUp()) refuse("EBUSY")
        if (!text.startsWith("/dev/")) refuse("ENOENT")
        device.backingDevice = text.trim()
      }
    })
    command("writeback", (text) => {
      if (!/^(?:idle|huge|huge_idle|incompressible|page_index=\d+)\n?$/.test(text)) refuse("EINVAL")
      onlyUp()
      if (device.backingDevice === undefined) refuse("ENODEV")
    })
    const number = (name: string, print: (value: number) => number) => {
      let value = 0
      file(name, {
        read: () => `${value}\n`,
        write: (text) => {
          if (!/^\d+\n?$/.test(text)) refuse("EINVAL")
          value = print(Number(text))
        }
      })
    }
    number("writeback_limit", (value) => value)
    number("writeback_limit_enable", (value) => (value === 0 ? 0 : 1))
    command("reset", (text) => {
      if (!/^\d+\n?$/.test(text) || Number(text) === 0) refuse("EINVAL")
      if (device.isOpen) refuse("EBUSY")
      device.diskBytes = 0
      device.stat = emptyStat(0)
      device.backingDevice = undefined
    })
  }
}
