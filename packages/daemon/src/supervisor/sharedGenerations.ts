/**
 * MGLRU's table, read once for all groups that are looked at within a moment: the kernel prints all groups whatever is asked, and a thousand groups would
 * read a thousand tables a tick. A group that was aged or evicted meanwhile is looked at anew (core's `Mglru.layerShared`).
 */
import { type KernFs, Mglru, type Milliseconds } from "@wmo/core"
import type { Layer } from "effect"

/**
 * Ages of a table that was read so long ago are off by as much: little beside a tick. The more groups there are, the longer their turn takes; of a thousand
 * two moments (see Slots) share one table.
 */
const sharedForMs = (groups: number): Milliseconds => Math.min(200, Math.max(50, groups / 5))

export const sharedGenerations: Layer.Layer<Mglru, never, KernFs> = Mglru.layerShared(sharedForMs)
