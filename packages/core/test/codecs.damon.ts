/** The DAMON codecs with generators of the values that their files can hold. */
import type { CodecCase } from "./codecs.ts"

export const damonCodecCases: ReadonlyArray<CodecCase<any>> = []
