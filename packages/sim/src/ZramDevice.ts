/**
 * zram as the swap device: pages on it are compressed in memory that is charged to no group and counts against the machine's.
 * A page that does not compress takes a whole one; past the memory limit a write fails, and the page stays where it was.
 * Simplified: the pool is the sum of its size classes; no writeback, recompression or compaction; what compresses badly in zswap compresses as
 * badly here. Zero pages never get here: swap keeps a bitmap of them (6.12). Source: drivers/block/zram/zram_drv.c (zram_write_page).
 */
import type { Bytes, Pages } from "@wmo/core"
import { pageSize } from "@wmo/core"
import type { FakeZramDevice } from "@wmo/core/testing"
import { incompressible, sizeClass } from "./Compressibility.ts"

export class ZramDevice {
  /** What it takes of the machine's memory. */
  usedBytes: Bytes = 0
  private usedMaxBytes: Bytes = 0
  private limitBytes: Bytes = 0
  private storedPages: Pages = 0
  private lengthBytes: Bytes = 0
  private hugePages: Pages = 0
  private hugePagesSince: Pages = 0

  /** Stores a page of the given compressed length; false where the limit does not allow it. */
  store(length: Bytes): boolean {
    const bytes = sizeClass(length)
    if (this.limitBytes > 0 && this.usedBytes + bytes > this.limitBytes) return false
    this.add(length, bytes, 1)
    if (length >= incompressible) this.hugePagesSince++
    this.usedMaxBytes = Math.max(this.usedMaxBytes, this.usedBytes)
    return true
  }

  drop(length: Bytes): void {
    this.add(length, sizeClass(length), -1)
  }

  private add(length: Bytes, bytes: Bytes, pages: 1 | -1): void {
    this.usedBytes += pages * bytes
    this.storedPages += pages
    this.lengthBytes += pages * Math.min(length, pageSize)
    if (length >= incompressible) this.hugePages += pages
  }

  /** Has the fake kernel's device say what this one is like, and obeys its limit. */
  animate(device: FakeZramDevice, diskBytes: Bytes): void {
    device.diskBytes = diskBytes
    Object.defineProperty(device, "stat", {
      get: () => ({
        origDataBytes: this.storedPages * pageSize,
        comprDataBytes: this.lengthBytes,
        memUsedBytes: Math.ceil(this.usedBytes / pageSize) * pageSize,
        memLimitBytes: this.limitBytes,
        memUsedMaxBytes: Math.ceil(this.usedMaxBytes / pageSize) * pageSize,
        samePages: 0,
        pagesCompacted: 0,
        hugePages: this.hugePages,
        hugePagesSince: this.hugePagesSince
      }),
      set: ({ memLimitBytes, memUsedMaxBytes }: FakeZramDevice["stat"]) => {
        this.limitBytes = memLimitBytes
        this.usedMaxBytes = Math.max(memUsedMaxBytes, this.usedBytes)
      }
    })
  }
}
