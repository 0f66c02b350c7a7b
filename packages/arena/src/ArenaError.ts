/**
 * The one error of the arena: which region and chunk, why (a closed set of reasons), and what to do. Thrown by the plain functions, and the
 * error of the effects. Wrong bytes are never given instead.
 */
import { formatBytes } from "@wmo/core"
import { Data } from "effect"

export type ArenaReason =
  /** The compressed bytes are not those that were written, or do not decompress. */
  | { readonly _tag: "Corrupted"; readonly why: string }
  /** The machine has no memory for it. The data, if there is any, stays as it is. */
  | { readonly _tag: "NoMemory"; readonly bytes: number }
  | { readonly _tag: "OutOfRange"; readonly offset: number; readonly length: number; readonly regionBytes: number }
  /** A view has to lie within a chunk. */
  | { readonly _tag: "CrossesChunk"; readonly offset: number; readonly length: number; readonly chunkBytes: number }
  | { readonly _tag: "Closed" }
  /** A region that is in view cannot be freed. */
  | { readonly _tag: "InView" }
  | { readonly _tag: "BadOption"; readonly option: string; readonly why: string }
  | { readonly _tag: "UnknownCodec"; readonly name: string; readonly why: string }

const sentence = (reason: ArenaReason): string => {
  switch (reason._tag) {
    case "Corrupted":
      return `its compressed bytes are damaged (${reason.why}); what it held is lost, write it anew`
    case "NoMemory":
      return `no memory for ${formatBytes(reason.bytes)}; free some, or raise the limit`
    case "OutOfRange":
      return `${reason.length} bytes at ${reason.offset} are not within its ${reason.regionBytes} bytes`
    case "CrossesChunk":
      return `${reason.length} bytes at ${reason.offset} cross a chunk of ${reason.chunkBytes} bytes; view them apart, or make the chunks larger`
    case "Closed":
      return "it has been freed"
    case "InView":
      return "it is in view; release the views first"
    case "BadOption":
      return `${reason.option}: ${reason.why}`
    case "UnknownCodec":
      return `codec ${reason.name}: ${reason.why}`
  }
}

export class ArenaError extends Data.TaggedError("ArenaError")<{
  readonly reason: ArenaReason
  readonly region?: string | undefined
  readonly chunk?: number | undefined
}> {
  override get message(): string {
    const where = this.region === undefined ? "arena" : `region ${this.region}${this.chunk === undefined ? "" : `, chunk ${this.chunk}`}`
    return `${where}: ${sentence(this.reason)}`
  }
}
