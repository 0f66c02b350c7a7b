/** The /proc and idle-page codecs with generators of the values that their files can hold. */
import type { CodecCase } from "./codecs.ts"

export const processCodecCases: ReadonlyArray<CodecCase<any>> = []
