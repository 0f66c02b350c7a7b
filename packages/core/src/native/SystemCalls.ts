/**
 * The system calls of services that pseudo-files do not cover, as something to inject: the libc of this process by default, a fake one in
 * tests. Loaded at the first call, so that whoever makes none needs no binary.
 */
import { Context, Effect } from "effect"
import { fromThrown, type KernFsError, type KernFsOperation } from "../KernFsError.ts"
import { type Libc, loadLibc } from "./libc.ts"

export type SystemCallsShape = Pick<Libc, "close" | "pagemapScan" | "pidfdOpen" | "processMadvise">

export const SystemCalls: Context.Reference<() => Promise<SystemCallsShape>> = Context.Reference("@wmo/core/SystemCalls", {
  defaultValue: (): (() => Promise<SystemCallsShape>) => loadLibc
})

/** The calls; `NotSupported` where this machine has no binary for them. */
export const systemCalls = (
  load: () => Promise<SystemCallsShape>,
  operation: KernFsOperation,
  path: string
): Effect.Effect<SystemCallsShape, KernFsError> =>
  Effect.tryPromise({ try: load, catch: () => fromThrown(operation, path, { code: "EOPNOTSUPP" }) })
