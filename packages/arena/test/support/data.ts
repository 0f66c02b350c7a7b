/** The arena's own sample data, for its tests. */
export { kinds, makeBytes, type Random, random } from "../../src/sampleData.ts"
