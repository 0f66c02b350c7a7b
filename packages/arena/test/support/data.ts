/** The arena's own sample data, for its tests. */
export { type Kind, kinds, makeBytes, type Random, random } from "../../src/sampleData.ts"
