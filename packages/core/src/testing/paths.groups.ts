/** Which codec reads which of the cgroup, PSI, zswap and zram files. */
import type { PathCodec } from "./codecForPath.ts"

export const groupFiles: ReadonlyArray<PathCodec> = []
