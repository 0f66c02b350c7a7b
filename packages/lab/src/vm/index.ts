/**
 * The VM lab: a stock kernel with cgroup v2, zswap and swap in some seconds, on any Linux machine, to run a command in.
 */
export { type KvmVerdict, kvmVerdict } from "./Acceleration.ts"
export { type VmStreams } from "./GuestSession.ts"
export { cachedKernels, chooseKernel, kernelAt, type KernelTree } from "./KernelTree.ts"
export { type BootPlan, qemuArguments } from "./VmBoot.ts"
export { type VmCache, vmCache, vmCacheAt } from "./VmCache.ts"
export { renderVmError, VmError, type VmErrorReason, vmExitCode } from "./VmError.ts"
export { defaultSeries, type Progress, vmInstall } from "./VmInstall.ts"
export { defaultVmOptions, parseVmOptions, type VmOptions, type VmOptionTexts, type VmSwap, type VmThp } from "./VmOptions.ts"
export { type GuestTerminal, type VmResult, vmRun } from "./VmRun.ts"
export { type VmPart, vmSetup, type VmSetupReport } from "./VmSetup.ts"
export { type Terminal, vmShell } from "./VmShell.ts"
