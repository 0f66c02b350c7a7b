/**
 * zswap of the fake kernel: parameters with the refusals of mm/zswap.c of a 6.12 kernel, and the counters of debugfs, which tests set.
 * Stores nothing: how much is in the pool is the business of whoever stands behind the groups.
 */
import { Errno, type FakeFs } from "./FakeFs.ts"

const parameters = "/sys/module/zswap/parameters"
/** Those of a Debian kernel with the modules loaded. An unknown one is ENOENT: no module of that name was found. */
const compressors = ["lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "deflate", "842"]
const pools = ["zsmalloc", "zbud", "z3fold"]
const u32 = 2 ** 32

/** As param_set_uint reads: decimal, hexadecimal or octal, a line end at most behind it. */
const unsigned = (text: string): string => {
  if (!/^(?:0x[0-9a-f]+|\d+)\n?$/i.test(text)) throw new Errno("EINVAL")
  const word = text.trim()
  const value = /^0[0-7]+$/.test(word) ? Number.parseInt(word, 8) : Number(word)
  if (value >= u32) throw new Errno("ERANGE")
  return String(value)
}

/** As kstrtobool reads: the first letters count. */
const yesNo = (text: string): string => {
  if (/^(?:[yYtT1]|[oO][nN])/.test(text)) return "Y"
  if (/^(?:[nNfF0]|[oO][fF])/.test(text)) return "N"
  throw new Errno("EINVAL")
}

const oneOf =
  (words: ReadonlyArray<string>) =>
  (text: string): string => {
    if (!words.includes(text.trim())) throw new Errno("ENOENT")
    return text.trim()
  }

export class FakeZswap {
  /** What the files of debugfs say: `stored_pages`, `pool_total_size` (bytes) … */
  readonly counters: Record<string, number> = Object.fromEntries(
    [
      "pool_limit_hit",
      "pool_total_size",
      "reject_alloc_fail",
      "reject_compress_fail",
      "reject_compress_poor",
      "reject_kmemcache_fail",
      "reject_reclaim_fail",
      "stored_pages",
      "written_back_pages"
    ].map((name) => [name, 0])
  )

  constructor(fs: FakeFs) {
    const parameter = (name: string, initial: string, read: (text: string) => string) => {
      let value = initial
      fs.file(`${parameters}/${name}`, {
        read: () => `${value}\n`,
        write: (text) => {
          if (text !== "") value = read(text)
        }
      })
    }
    parameter("enabled", "Y", yesNo)
    parameter("shrinker_enabled", "N", yesNo)
    parameter("compressor", "lz4", oneOf(compressors))
    parameter("zpool", "zsmalloc", oneOf(pools))
    // No range is checked: 1000 percent is taken.
    parameter("max_pool_percent", "20", unsigned)
    parameter("accept_threshold_percent", "90", unsigned)
    for (const name of Object.keys(this.counters)) {
      fs.file(`/sys/kernel/debug/zswap/${name}`, { read: () => `${this.counters[name]}\n`, isNotSeekable: true }, 0o444)
    }
  }
}
