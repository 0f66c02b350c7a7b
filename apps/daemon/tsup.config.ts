/** Bundles the daemon into `dist/wmod.js` and its chunks: of node_modules only koffi is looked for. */
import { defineConfig } from "tsup"
import { pagePlugin } from "../../tooling/pagePlugin.ts"

export default defineConfig({
  entry: { wmod: "src/main.ts" },
  format: ["esm"],
  target: "node22",
  bundle: true,
  splitting: true,
  clean: true,
  dts: false,
  sourcemap: false,
  minifySyntax: true,
  // node:sqlite has no name without the prefix.
  removeNodeProtocol: false,
  noExternal: [/^(?!koffi$)/],
  // An optional peer of @effect/platform-node that nothing here loads; koffi, a binary, loaded only where a system call is made.
  external: ["redis", "koffi"],
  esbuildPlugins: [pagePlugin],
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" }
})
