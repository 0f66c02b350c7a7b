/**
 * The one error of a kernel pseudo-file: which operation on which path, why (a closed set of reasons, errno kept), and what to do.
 * Meanings of the errnos on memory files: kernel Documentation/admin-guide/cgroup-v2.rst and the writers in mm/.
 */
import { Data } from "effect"
import { quote } from "./Codec.ts"

/** Why the kernel refused. `Other` keeps an errno that has no name of its own here. */
export type KernFsReason =
  | { readonly _tag: "Again" }
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Exists" }
  | { readonly _tag: "Interrupted" }
  | { readonly _tag: "Invalid" }
  | { readonly _tag: "NoDevice" }
  | { readonly _tag: "NoProcess" }
  | { readonly _tag: "NoSpace" }
  | { readonly _tag: "NotDirectory" }
  | { readonly _tag: "NotFound" }
  | { readonly _tag: "NotSupported" }
  | { readonly _tag: "OutOfRange" }
  | { readonly _tag: "PermissionDenied" }
  | { readonly _tag: "ReadOnly" }
  | { readonly _tag: "TooManyOpen" }
  | { readonly _tag: "Other"; readonly errno: string }

const reasonOfErrno: Readonly<Record<string, Exclude<KernFsReason["_tag"], "Other">>> = {
  EAGAIN: "Again",
  EBUSY: "Busy",
  EEXIST: "Exists",
  EINTR: "Interrupted",
  ERESTART: "Interrupted",
  ERESTARTSYS: "Interrupted",
  EINVAL: "Invalid",
  ENODEV: "NoDevice",
  ESRCH: "NoProcess",
  ENOSPC: "NoSpace",
  ENOTDIR: "NotDirectory",
  ENOENT: "NotFound",
  EOPNOTSUPP: "NotSupported",
  ENOTSUP: "NotSupported",
  ERANGE: "OutOfRange",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EROFS: "ReadOnly",
  EMFILE: "TooManyOpen",
  ENFILE: "TooManyOpen"
}

const explanation: Readonly<Record<KernFsReason["_tag"], string>> = {
  Again: "the kernel reclaimed less than asked; ask for less, or later",
  Busy: "it is in use; end its users first",
  Exists: "it exists already; choose another name",
  Interrupted: "a signal interrupted it; try again",
  Invalid: "the kernel rejected the value; check it against the documentation of the file",
  NoDevice: "it went away while it was open; it is of no use any more",
  NoProcess: "there is no such process (any more)",
  NoSpace: "the kernel has no room for it; remove what is not needed, or raise the limit",
  NotDirectory: "a part of the path is not a directory; check the path",
  NotFound: "there is no such file or group; check the name, or see `wmo doctor` for what this kernel lacks",
  NotSupported: "this kernel does not support it; see `wmo doctor`",
  OutOfRange: "the value is out of range; choose a smaller one",
  PermissionDenied: "permission denied; run as root",
  ReadOnly: "the file system is mounted read-only; remount it read-write, or run outside the container",
  TooManyOpen: "too many open files; raise the limit (ulimit -n)",
  Other: "the kernel refused; see `wmo doctor`"
}

/** process_madvise(2) asks for more than the owner's rights. */
const adviceDenied = "permission denied; it takes CAP_SYS_NICE and the right to trace the process (CAP_SYS_PTRACE): run as root"

export type KernFsOperation = "open" | "read" | "write" | "list" | "mkdir" | "rmdir" | "stat" | "poll" | "advise" | "scan"

/** A pseudo-file operation that the kernel refused. `written` is what was being written, for writes. */
export class KernFsError extends Data.TaggedError("KernFsError")<{
  readonly path: string
  readonly operation: KernFsOperation
  readonly reason: KernFsReason
  readonly written?: string | undefined
}> {
  override get message(): string {
    const errno = this.reason._tag === "Other" ? ` (${this.reason.errno})` : ""
    const what = this.written === undefined ? "" : ` ${quote(this.written.trim())} to`
    const isAdvice = this.operation === "advise" && this.reason._tag === "PermissionDenied"
    return `cannot ${this.operation}${what} ${this.path}: ${isAdvice ? adviceDenied : explanation[this.reason._tag]}${errno}`
  }

  /** Whether the same operation may succeed if it is simply tried again. */
  get isRetryable(): boolean {
    return this.reason._tag === "Again" || this.reason._tag === "Busy" || this.reason._tag === "Interrupted"
  }

  /** Whether the file, its group or its process is not there (any more). */
  get isGone(): boolean {
    return this.reason._tag === "NotFound" || this.reason._tag === "NoDevice" || this.reason._tag === "NoProcess"
  }
}

/** The errno that a reason stands for, as `EINVAL`; the first of its names where it has several. */
export const errnoOf = (reason: KernFsReason): string =>
  reason._tag === "Other" ? reason.errno : Object.entries(reasonOfErrno).find(([, tag]) => tag === reason._tag)![0]

/** Turns what a `node:fs`-shaped object threw into a `KernFsError`; anything without an errno code becomes `Other`. */
export const fromThrown = (operation: KernFsOperation, path: string, thrown: unknown, written?: string): KernFsError => {
  const code = typeof thrown === "object" && thrown !== null && "code" in thrown ? String(thrown.code) : String(thrown).split("\n")[0]!
  const tag = reasonOfErrno[code]
  return new KernFsError({ operation, path, written, reason: tag === undefined ? { _tag: "Other", errno: code } : { _tag: tag } })
}
