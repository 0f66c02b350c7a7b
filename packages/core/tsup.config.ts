import { library } from "../../tooling/tsup.ts"

/** The conformance suites are an entry of their own: they import vitest, which the library must not. */
export default { ...library(), entry: ["src/index.ts", "src/testing.ts", "src/conformance.ts"] }
