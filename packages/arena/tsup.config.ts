import { defineConfig } from "tsup"
import { library } from "../../tooling/tsup.ts"

// The codec thread is a program of its own, beside the library.
export default defineConfig({ ...library(), entry: { index: "src/index.ts", codecWorker: "src/workers/codecWorker.ts" } })
