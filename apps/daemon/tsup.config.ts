/** Bundles the daemon into `dist/wmod.js` and its chunks: of node_modules only koffi is looked for. */
import { defineConfig, type Options } from "tsup"
import { pagePlugin } from "../../tooling/pagePlugin.ts"

/** esbuild leaves regular expressions as they are; one `µ` there makes two-byte text of the whole bundle (2 MB more). Elsewhere nothing is left to escape. */
const asciiPlugin: NonNullable<Options["plugins"]>[number] = {
  name: "ascii",
  renderChunk: (code) => ({
    code: code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
  })
}

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
  // Less to read and to hold: with names kept, so that a stack still says where. Bytes of one-byte strings, which are half as large as others.
  esbuildOptions: (options) => {
    options.minifyWhitespace = true
    options.charset = "ascii"
  },
  // node:sqlite has no name without the prefix.
  removeNodeProtocol: false,
  noExternal: [/^(?!koffi$)/],
  // An optional peer of @effect/platform-node that nothing here loads; koffi, a binary, loaded only where a system call is made.
  external: ["redis", "koffi"],
  esbuildPlugins: [pagePlugin],
  plugins: [asciiPlugin],
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" }
})
