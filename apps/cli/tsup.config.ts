/** Bundles the command line into `dist/wmo.js` and its chunks: of node_modules only koffi and lz4-wasm-nodejs are looked for, and a start loads only what it uses. */
import { defineConfig } from "tsup"

export default defineConfig({
  // The arena's codec thread is a program of its own, beside the chunks.
  entry: { wmo: "src/main.ts", codecWorker: "../../packages/arena/src/workers/codecWorker.ts" },
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
  noExternal: [/^(?!(?:react-devtools-core|koffi|lz4-wasm-nodejs)$)/],
  // React's own build for use; ours reads the variable by another way, so that it is set where this is not bundled.
  env: { NODE_ENV: "production" },
  // Optional peers of @effect/platform-node and ink that nothing here loads; koffi, a binary, loaded only where a system call is made;
  // lz4-wasm-nodejs, whose WebAssembly lies beside it.
  external: ["redis", "react-devtools-core", "koffi", "lz4-wasm-nodejs"],
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" }
})
