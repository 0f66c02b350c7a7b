/**
 * The one error of the VM lab: a reason for programs, one line for people, and the last console lines of the guest where there are any.
 * It does not say how a command line should end: `vmExitCode` gives the code that fits each reason.
 */
import { Data } from "effect"

export type VmErrorReason =
  /** A bad option: nothing was started. */
  | "Usage"
  /** This machine or architecture cannot do it. */
  | "Unsupported"
  /** QEMU, busybox or a kernel is not there: `wmo vm setup --install`. */
  | "NotInstalled"
  /** The kernel is there, but lacks what was asked for (zswap, a compressor, a module). */
  | "KernelLacks"
  /** An installation step failed. */
  | "Install"
  /** QEMU or the guest gave up before the command started. */
  | "Boot"
  /** The guest did not come up in time. */
  | "Hang"
  /** The guest kernel panicked. */
  | "Panic"
  /** The guest's OOM killer ended a process of the command. */
  | "OutOfMemory"
  /** The command ran longer than allowed. */
  | "Timeout"
  /** There is no such program on this machine. */
  | "CommandNotFound"
  /** The guest went away while the command ran. */
  | "GuestDied"

export class VmError extends Data.TaggedError("VmError")<{
  readonly reason: VmErrorReason
  /** One line: what was wrong and what to do. */
  readonly message: string
  /** The last lines of the guest's console, oldest first. */
  readonly consoleTail: ReadonlyArray<string>
  /** The exit code of the command itself, where it has one that should be passed on. */
  readonly exitCode?: number | undefined
}> {}

/** An error without console lines. */
export const vmError = (reason: VmErrorReason, message: string): VmError => new VmError({ reason, message, consoleTail: [] })

/** The exit code for an error: the command's own if there is one, else 2 usage, 3 not possible here, 1 failed. */
export const vmExitCode = (error: VmError): number => {
  if (error.exitCode !== undefined) return error.exitCode
  switch (error.reason) {
    case "Usage":
      return 2
    case "Unsupported":
    case "NotInstalled":
    case "KernelLacks":
      return 3
    case "CommandNotFound":
      return 127
    default:
      return 1
  }
}

/** The message with the console lines, indented, under it. */
export const renderVmError = (error: VmError): string =>
  [error.message, ...error.consoleTail.map((line) => `  console: ${line}`)].join("\n")
