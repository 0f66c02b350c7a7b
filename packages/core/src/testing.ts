/**
 * The fake kernel and the conformance suites of `@wmo/core`: for tests of whatever uses the library, without root.
 */
export { Errno, type FakeFile, FakeFs } from "./testing/FakeFs.ts"
export { type FakeGroup, FakeCgroups } from "./testing/FakeCgroups.ts"
export { FakeKernel, type FakeKernelOptions } from "./testing/FakeKernel.ts"
export { makeSimpleMemcg, type MemcgLimits, type MemcgModel, noLimits, type SimpleMemcg } from "./testing/MemcgModel.ts"
