/** Which codec reads which of the cgroup, PSI, zswap and zram files. */
import { cgroupMaxDepth, cgroupMaxDescendants, cgroupThreads, cgroupType, cpuStat, switchFile } from "../cgroups/groupFiles.ts"
import { ioStat } from "../cgroups/ioStat.ts"
import { memorySwapTiersMax } from "../Memcg.ts"
import { bytesFile, wordFile } from "../Scalars.ts"
import { zramBdStat, zramCompAlgorithm, zramDebugStat, zramIoStat, zramMmStat, zramRecompAlgorithm } from "../zram/zramFiles.ts"
import type { PathCodec } from "./codecForPath.ts"

export const groupFiles: ReadonlyArray<PathCodec> = [
  [/\/cpu\.stat$/, () => cpuStat],
  [/\/io\.stat$/, () => ioStat],
  [/\/cgroup\.(?:freeze|pressure)$/, switchFile],
  [/\/cgroup\.type$/, () => cgroupType],
  [/\/cgroup\.threads$/, () => cgroupThreads],
  [/\/cgroup\.max\.depth$/, () => cgroupMaxDepth],
  [/\/cgroup\.max\.descendants$/, () => cgroupMaxDescendants],
  [/\/memory\.swap\.tiers\.max$/, () => memorySwapTiersMax],
  [/\/zram\d+\/(?:disksize|max_comp_streams|writeback_limit)$/, bytesFile],
  [/\/zram\d+\/(?:initstate|writeback_limit_enable)$/, switchFile],
  [/\/zram\d+\/backing_dev$/, wordFile],
  [/\/zram\d+\/comp_algorithm$/, () => zramCompAlgorithm],
  [/\/zram\d+\/recomp_algorithm$/, () => zramRecompAlgorithm],
  [/\/zram\d+\/mm_stat$/, () => zramMmStat],
  [/\/zram\d+\/io_stat$/, () => zramIoStat],
  [/\/zram\d+\/bd_stat$/, () => zramBdStat],
  [/\/zram\d+\/debug_stat$/, () => zramDebugStat]
]
