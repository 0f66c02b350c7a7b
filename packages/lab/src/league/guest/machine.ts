/**
 * The guest between and during slots: caches dropped and the swap device emptied, so that no slot inherits from the one before; and what the
 * machine says once a second. Runs as root in the VM only. Formats: Documentation/admin-guide/blockdev/zram.rst (mm_stat), proc(5).
 */
import { readSmall } from "@wmo/core"
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import type { MachineSample } from "../plan.ts"

const zram = "/sys/block/zram0"
const device = "/dev/zram0"

const readOr = (file: string, otherwise: string): string => {
  try {
    return readSmall(file)
  } catch {
    return otherwise
  }
}

/** A fresh swap device and cold caches. Fails where the swap cannot be emptied: something of a slot still lives. */
export const resetMachine = (): void => {
  execFileSync("sync")
  writeFileSync("/proc/sys/vm/drop_caches", "3")
  if (!existsSync(zram)) return
  const size = readFileSync(`${zram}/disksize`, "latin1").trim()
  if (readOr("/proc/swaps", "").includes(device)) execFileSync("swapoff", [device])
  writeFileSync(`${zram}/reset`, "1")
  writeFileSync(`${zram}/disksize`, size)
  execFileSync("mkswap", [device], { stdio: "ignore" })
  execFileSync("swapon", [device])
}

const kib = (meminfo: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0) * 1024

/** User and system time of a process, of its own threads only; 0 where it is gone. In ticks of 10 ms. */
export const cpuMsOf = (stat: string): number => {
  // The name may hold blanks and brackets: count from the last one on.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10
}

const isKdamond = (pid: string): boolean => readOr(`/proc/${pid}/comm`, "").startsWith("kdamond")

/** Keeps what kdamonds (kernel threads named kdamond.N) used that are gone by now. A policy may start one at any time. */
export const makeMachineSampler = (wmoPid: number): (() => MachineSample) => {
  const used = new Map<string, number>()
  let pids: ReadonlyMap<string, boolean> = new Map()
  return () => {
    const meminfo = readOr("/proc/meminfo", "")
    const living = readdirSync("/proc").filter((name) => /^\d+$/.test(name))
    pids = new Map(living.map((pid) => [pid, pids.get(pid) ?? isKdamond(pid)]))
    for (const pid of living.filter((one) => pids.get(one))) used.set(pid, cpuMsOf(readOr(`/proc/${pid}/stat`, ") ")))
    return {
      at_ms: Date.now(),
      available_bytes: kib(meminfo, "MemAvailable"),
      zram_bytes: Number(readOr(`${zram}/mm_stat`, "").trim().split(/\s+/)[2] ?? 0),
      zswap_bytes: kib(meminfo, "Zswap"),
      wmo_cpu_ms: cpuMsOf(readOr(`/proc/${wmoPid}/stat`, ") ")),
      kdamond_cpu_ms: [...used.values()].reduce((sum, ms) => sum + ms, 0)
    }
  }
}
