/**
 * Conformance suites: the same assertions on the fake kernel, on the simulator and on a real kernel in a VM, so that what passes on one
 * can be believed of the others. An entry of its own, since it registers tests with vitest: the library itself does not know vitest.
 * On a real kernel they need root, cgroup v2 with `memory` in the root's subtree_control, and swap for the reclaim tests.
 */
export { testCgroups } from "./conformance/testCgroups.ts"
export { testDamon } from "./conformance/testDamon.ts"
export { testGroupTree } from "./conformance/testGroupTree.ts"
export { testJournal } from "./conformance/testJournal.ts"
export { testKernFs } from "./conformance/testKernFs.ts"
export { testMglru } from "./conformance/testMglru.ts"
export { type PressureOptions, testPressure } from "./conformance/testPressure.ts"
export { testZram } from "./conformance/testZram.ts"
export { testZswap } from "./conformance/testZswap.ts"
export type { ConformanceOptions } from "./conformance/scratch.ts"
export { realProcess, type TestMemory, type TestProcess } from "./conformance/testProcess.ts"
export { testPages } from "./conformance/testPages.ts"
export { testProcesses } from "./conformance/testProcesses.ts"
