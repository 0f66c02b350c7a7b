/**
 * Keeps compiled code from one start to the next: a tenth of a start's cost, half of it under emulation. In a directory that only this user writes: what is in
 * it is run. Where there is none (read-only home, Node before 22.8), starts are merely slower.
 */
import * as nodeModule from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

/** For root not HOME, which under sudo may be somebody else's. */
const directory = (): string =>
  process.getuid?.() === 0 ? "/var/cache/wmo" : join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "wmo", "node")

export const keepCompiledCode = (): void => {
  try {
    nodeModule.enableCompileCache?.(directory())
  } catch {
    // No home directory at all.
  }
}
