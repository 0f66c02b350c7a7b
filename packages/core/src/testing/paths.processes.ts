/** Which codec reads which of the /proc and idle-page files. */
import { ioMem } from "../pages/IoMem.ts"
import { zoneInfo } from "../pages/ZoneInfo.ts"
import { maps } from "../processes/Mapping.ts"
import { processChildren, processSize, processStat } from "../processes/ProcessStat.ts"
import { clearRefs, processStatus } from "../processes/ProcessStatus.ts"
import { smaps, smapsRollup } from "../processes/Smaps.ts"
import type { PathCodec } from "./codecForPath.ts"

export const processFiles: ReadonlyArray<PathCodec> = [
  [/\/proc\/(?:\d+|self)\/stat$/, () => processStat],
  [/\/proc\/(?:\d+|self)\/statm$/, () => processSize],
  [/\/proc\/(?:\d+|self)\/status$/, () => processStatus],
  [/\/proc\/(?:\d+|self)\/maps$/, () => maps],
  [/\/proc\/(?:\d+|self)\/smaps$/, () => smaps],
  [/\/proc\/(?:\d+|self)\/smaps_rollup$/, () => smapsRollup],
  [/\/proc\/(?:\d+|self)\/clear_refs$/, () => clearRefs],
  [/\/proc\/(?:\d+|self)\/task\/\d+\/children$/, () => processChildren],
  [/\/proc\/zoneinfo$/, () => zoneInfo],
  [/\/proc\/iomem$/, () => ioMem]
]
