/**
 * The fake kernel of `@wmo/core`: for tests of whatever uses the library, without root. The conformance suites are `@wmo/core/conformance`, since they need vitest.
 */
export { Errno, type FakeDescriptor, type FakeFile, FakeFs, type FakeOpenFile } from "./testing/FakeFs.ts"
export { type FakeGroup, FakeCgroups } from "./testing/FakeCgroups.ts"
export { FakeZram, type FakeZramDevice } from "./testing/FakeZram.ts"
export { FakeZswap } from "./testing/FakeZswap.ts"
export type { DamonEngine, DamonEngineStats, DamonTraceReader } from "./testing/DamonEngine.ts"
export { FakeDamon, type FakeDamonOptions } from "./testing/FakeDamon.ts"
export { FakeKernel, type FakeKernelOptions } from "./testing/FakeKernel.ts"
export { makeSimpleMemcg, type MemcgLimits, type MemcgModel, noLimits, type SimpleMemcg } from "./testing/MemcgModel.ts"
export { codecForPath } from "./testing/codecForPath.ts"
export { type Fixture, loadFixture } from "./testing/loadFixture.ts"
export { type FakeMapping, FakeProcess, type FakeProcessOptions } from "./testing/FakeProcess.ts"
export { FakeProcesses, type FakeProcessesOptions } from "./testing/FakeProcesses.ts"
export { FakePages, type FakePagesOptions } from "./testing/FakePages.ts"
