/** The one tsup preset of the workspace's libraries: ESM, no declarations (tsc writes those, see tsconfig.build.json). */
import { existsSync } from "node:fs"
import { defineConfig } from "tsup"

export const library = () =>
  defineConfig({
    entry: ["src/index.ts", ...(existsSync("src/testing.ts") ? ["src/testing.ts"] : [])],
    format: ["esm"],
    target: "node22",
    bundle: true,
    sourcemap: true,
    clean: true,
    // node:sqlite has no name without the prefix.
    removeNodeProtocol: false,
    dts: false
  })
