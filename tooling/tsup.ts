/** The one tsup preset of the workspace's libraries: ESM, no declarations (tsc writes those, see tsconfig.build.json). */
import { existsSync } from "node:fs"
import { defineConfig } from "tsup"

/** `more`: entries beside `src/index.ts` and, where there is one, `src/testing.ts`. */
export const library = (...more: ReadonlyArray<string>) =>
  defineConfig({
    entry: ["src/index.ts", ...(existsSync("src/testing.ts") ? ["src/testing.ts"] : []), ...more],
    format: ["esm"],
    target: "node22",
    bundle: true,
    sourcemap: true,
    clean: true,
    // node:sqlite has no name without the prefix.
    removeNodeProtocol: false,
    dts: false
  })
