/** Which codec reads which of the /proc and idle-page files. */
import type { PathCodec } from "./codecForPath.ts"

export const processFiles: ReadonlyArray<PathCodec> = []
