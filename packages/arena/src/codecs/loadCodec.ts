/**
 * Codecs by name: `lz4` (the system's library where it is there, WebAssembly elsewhere), `lz4-native`, `lz4-wasm`, `zstd`, `zstd-LEVEL`,
 * `none`; any other name is a module whose default export is a codec. The default, `lz4`, is what `bench/codec.ts` showed cheapest.
 */
import type { Codec } from "../Codec.ts"
import { ArenaError } from "../ArenaError.ts"
import { loadLz4Native } from "./lz4Native.ts"
import { loadLz4Wasm } from "./lz4Wasm.ts"
import { none } from "./none.ts"
import { hasZstd, zstd } from "./zstd.ts"

export const builtInCodecs = ["lz4", "lz4-native", "lz4-wasm", "zstd", "zstd-LEVEL", "none"]

const isCodec = (value: unknown): value is Codec =>
  typeof value === "object" && value !== null && "name" in value && "compress" in value && "decompress" in value

const unknown = (name: string, why: string): ArenaError =>
  new ArenaError({ reason: { _tag: "UnknownCodec", name, why: `${why}; built in are ${builtInCodecs.join(", ")}` } })

const loadModule = async (name: string): Promise<Codec> => {
  const loaded: { default?: unknown } = await import(name).catch((problem: unknown) => {
    throw unknown(name, `no module of that name (${String(problem).split("\n")[0]})`)
  })
  if (!isCodec(loaded.default)) throw unknown(name, "the module has no codec as its default export")
  return loaded.default
}

/** Rejects with an `ArenaError` (`UnknownCodec`) where there is no such codec on this machine. */
export const loadCodec = async (name: string): Promise<Codec> => {
  const level = /^zstd(?:-(-?\d+))?$/.exec(name)
  if (level !== null) {
    const value = Number(level[1] ?? 3)
    if (value < -7 || value > 19 || value === 0) throw unknown(name, "zstd has levels −7 to −1 and 1 to 19")
    if (!hasZstd) throw unknown(name, "this Node has no zstd, it takes 22.15 or 24")
    return zstd(value)
  }
  switch (name) {
    case "lz4":
      return loadLz4Native().catch(loadLz4Wasm)
    case "lz4-native":
      return loadLz4Native().catch(() => Promise.reject(unknown(name, "this machine has no liblz4.so.1, or koffi no binary for it")))
    case "lz4-wasm":
      return loadLz4Wasm()
    case "none":
      return none
    default:
      return loadModule(name)
  }
}
