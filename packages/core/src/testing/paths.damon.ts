/** Which codec reads which of the DAMON files. */
import type { PathCodec } from "./codecForPath.ts"

export const damonFiles: ReadonlyArray<PathCodec> = []
