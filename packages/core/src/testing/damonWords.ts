/**
 * What the fake DAMON takes for words and numbers, as mm/damon/sysfs*.c and lib/kstrtox.c do: each word since its kernel, bases, bounds.
 */
import type { Since } from "../damon/DamonLayout.ts"
import { Errno } from "./FakeFs.ts"

/** Whether a kernel has what came with `since`. */
export const hasSince = (kernel: Since, [major, minor]: Since): boolean => kernel[0] > major || (kernel[0] === major && kernel[1] >= minor)

/** Commands, and since which kernel. */
export const damonCommands: Readonly<Record<string, Since>> = {
  on: [5, 18],
  off: [5, 18],
  commit: [6, 0],
  update_schemes_stats: [5, 18],
  update_schemes_tried_regions: [6, 2],
  clear_schemes_tried_regions: [6, 2],
  update_schemes_tried_bytes: [6, 6],
  commit_schemes_quota_goals: [6, 8],
  update_schemes_effective_quotas: [6, 9],
  update_tuned_intervals: [6, 15]
}

/** What files of one word take, by file. */
export const damonWords: Readonly<Record<string, ReadonlyArray<readonly [word: string, since: Since]>>> = {
  operations: ["vaddr", "fvaddr", "paddr"].map((word) => [word, [5, 18]]),
  action: [
    ...["willneed", "cold", "pageout", "hugepage", "nohugepage", "stat"].map((word) => [word, [5, 18]] as const),
    ["lru_prio", [6, 0]],
    ["lru_deprio", [6, 0]],
    ["migrate_hot", [6, 11]],
    ["migrate_cold", [6, 11]],
    ["collapse", [7, 2]]
  ],
  type: [
    ["anon", [6, 3]],
    ["memcg", [6, 3]],
    ["addr", [6, 6]],
    ["target", [6, 6]],
    ["young", [6, 10]],
    ["hugepage_size", [6, 15]],
    ["unmapped", [6, 15]],
    ["active", [6, 15]]
  ],
  metric: [
    ["none", [5, 18]],
    ["free_mem_rate", [5, 18]]
  ],
  target_metric: [
    ["user_input", [6, 8]],
    ["some_mem_psi_us", [6, 9]],
    ["node_mem_used_bp", [6, 16]],
    ["node_mem_free_bp", [6, 16]],
    ["node_memcg_used_bp", [6, 19]],
    ["node_memcg_free_bp", [6, 19]],
    ["active_mem_bp", [7, 0]],
    ["inactive_mem_bp", [7, 0]]
  ],
  goal_tuner: [
    ["consist", [7, 1]],
    ["temporal", [7, 1]]
  ]
}

/** Files that the kernel parses as int and as unsigned int; all other numbers are unsigned long. */
export const ints = /^(?:nr_(?!accesses_permil).*|pid_target|target_nid|nid|damon_target_idx)$/
export const uints = /^(?:.*_permil|id|weight|refresh_ms)$/
const bounds = { int: [-(2n ** 31n), 2n ** 31n - 1n], uint: [0n, 2n ** 32n - 1n], ulong: [0n, 2n ** 64n - 1n] } as const

/** As kstrtoul and its likes with base 0: one line end may follow, blanks may not. */
export const parseInteger = (text: string, kind: keyof typeof bounds): bigint => {
  const match = /^([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)\n?$/i.exec(text)
  if (match === null || (match[1] === "-" && kind !== "int")) throw new Errno("EINVAL")
  const digits = match[2]!
  const size = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits)
  const value = match[1] === "-" ? -size : size
  if (value < bounds[kind][0] || value > bounds[kind][1]) throw new Errno("ERANGE")
  return value
}

/** As kstrtobool. */
export const parseBoolean = (text: string): boolean => {
  if (/^(?:[yt1]|on)/i.test(text)) return true
  if (/^(?:[nf0]|of)/i.test(text)) return false
  throw new Errno("EINVAL")
}
