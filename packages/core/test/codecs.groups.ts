/** The cgroup, PSI, zswap and zram codecs with generators of the values that their files can hold. */
import type { CodecCase } from "./codecs.ts"

export const groupCodecCases: ReadonlyArray<CodecCase<any>> = []
