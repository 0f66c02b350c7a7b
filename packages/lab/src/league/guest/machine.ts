/**
 * The guest between and during slots: caches dropped and the swap device emptied, so that no slot inherits from the one before; and what the
 * machine says once a second. Runs as root in the VM only. Formats: Documentation/admin-guide/blockdev/zram.rst (mm_stat), proc(5).
 */
import { decodeSmall, memInfo, readSmall } from "@wmo/core"
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { makeKdamondCpu, processCpuMs } from "../../kdamondCpu.ts"
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

/** Of a `wmo run`, and of the machine that it runs on. */
export const makeMachineSampler = (wmoPid: number): (() => MachineSample) => {
  const kdamondCpuMs = makeKdamondCpu()
  return () => {
    const memory = decodeSmall("/proc/meminfo", memInfo)
    return {
      at_ms: Date.now(),
      available_bytes: memory?.["MemAvailable"] ?? 0,
      zram_bytes: Number(readOr(`${zram}/mm_stat`, "").trim().split(/\s+/)[2] ?? 0),
      zswap_bytes: memory?.["Zswap"] ?? 0,
      wmo_cpu_ms: processCpuMs(wmoPid) ?? 0,
      kdamond_cpu_ms: kdamondCpuMs()
    }
  }
}
