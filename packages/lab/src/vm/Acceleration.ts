/**
 * Whether KVM runs guests here. That `/dev/kvm` opens says too little: there are machines where creating a guest, setting up its CPU or
 * running its first instructions fails. So QEMU is asked first, a real boot is the proof, and the verdict is kept until this machine or
 * its QEMU changes.
 */
import { spawn } from "node:child_process"
import { accessSync, constants, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { type VmCache, writeWhole } from "./VmCache.ts"

export type Accelerator = "kvm" | "tcg"

/** What is known: it works, it does not, or only that QEMU did not refuse. */
export type KvmVerdict = "works" | "fails" | "untried"

const verdictFile = (cache: VmCache): string => join(cache.root, "kvm")

/** The verdict holds for this boot of this machine and this QEMU. */
const stamp = (qemu: string): string => {
  const { mtimeMs, size } = statSync(qemu)
  return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${qemu} ${size} ${mtimeMs}`
}

const kept = (cache: VmCache, qemu: string): KvmVerdict | undefined => {
  try {
    const [verdict, of] = readFileSync(verdictFile(cache), "utf8").split("\n")
    return of === stamp(qemu) && (verdict === "works" || verdict === "fails") ? verdict : undefined
  } catch {
    return undefined
  }
}

/** Keeps what a boot has shown. A cache that cannot be written only costs the next run another try. */
export const rememberKvm = (cache: VmCache, qemu: string, verdict: "works" | "fails"): Effect.Effect<void> =>
  Effect.sync(() => {
    try {
      writeWhole(verdictFile(cache), `${verdict}\n${stamp(qemu)}\n`)
    } catch {}
  })

const deviceOpens = (): boolean => {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Lets QEMU set up a machine with KVM, without running it: 40 ms. */
const qemuAccepts = (qemu: string): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const args = ["-M", "q35", "-accel", "kvm", "-cpu", "max", "-m", "64M", "-S", "-nodefaults", "-no-user-config", "-display", "none"]
    const child = spawn(qemu, [...args, "-monitor", "stdio"], { stdio: ["pipe", "ignore", "ignore"] })
    child.once("error", () => resume(Effect.succeed(false)))
    child.once("exit", (code) => resume(Effect.succeed(code === 0)))
    child.stdin.on("error", () => {})
    child.stdin.end("quit\n")
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(Effect.timeoutOrElse({ duration: 10_000, orElse: () => Effect.succeed(false) }))

/** What is known about KVM here, asking QEMU where nothing is known yet. */
export const kvmVerdict = Effect.fn("Acceleration.kvmVerdict")(function* (cache: VmCache, qemu: string): Effect.fn.Return<KvmVerdict> {
  if (!deviceOpens()) return "fails"
  const known = kept(cache, qemu)
  if (known !== undefined) return known
  if (yield* qemuAccepts(qemu)) return "untried"
  yield* rememberKvm(cache, qemu, "fails")
  return "fails"
})
