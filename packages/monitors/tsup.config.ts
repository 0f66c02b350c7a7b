import { library } from "../../tooling/tsup.ts"

/** The conformance suite is an entry of its own: it imports vitest, which the library must not. */
export default { ...library(), entry: ["src/index.ts", "src/testing.ts"] }
