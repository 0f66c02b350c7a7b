/**
 * The QEMU command line of a guest, as a pure function. Whether KVM works here is `Acceleration`'s to find out.
 * All channels are inherited socket descriptors, so that nothing is left in the file system. No network, no display, no disk.
 */
import type { Bytes } from "@wmo/core"
import type { Accelerator } from "./Acceleration.ts"
import { ports } from "./GuestProtocol.ts"

export interface BootPlan {
  readonly image: string
  readonly initramfs: string
  readonly accelerator: Accelerator
  readonly memory: Bytes
  readonly cpus: number
  /** See `VmOptions`; goes with `tcg` only. */
  readonly icount?: number | undefined
  /** A directory of the host to share for writing. */
  readonly out: string | undefined
}

/** The descriptors that QEMU inherits, by what they carry. */
export const descriptors = { console: 3, control: 4, stdin: 5, stdout: 6, stderr: 7 } as const

/**
 * What the kernel is told. Spectre mitigations cost a lot under emulation and guard nothing here. `wmo.guest` means nothing to it: tests that change the
 * kernel they run on look for that.
 */
const kernelArguments = ["console=ttyS0", "quiet", "panic=-1", "mitigations=off", "psi=1", "cgroup_no_v1=all", "wmo.guest"]

/**
 * Where instructions are counted, a string instruction counts once for each element: with ERMS the kernel and the C library copy byte by byte, and a page
 * would take as long as 4096 instructions. Without it they copy by eight bytes.
 */
const processor = ({ accelerator, icount }: BootPlan): string => (accelerator === "tcg" && icount !== undefined ? "max,erms=off" : "max")

/** A value inside a comma-separated QEMU option. */
const quoted = (value: string): string => value.replaceAll(",", ",,")

const share = (tag: string, path: string, readonly: boolean): ReadonlyArray<string> => [
  "-virtfs",
  `local,path=${quoted(path)},mount_tag=${tag},security_model=none,multidevs=remap${readonly ? ",readonly=on" : ""}`
]

const port = (name: "control" | "stdin" | "stdout" | "stderr"): ReadonlyArray<string> => [
  "-chardev",
  `socket,id=${name},fd=${descriptors[name]}`,
  "-device",
  `virtserialport,chardev=${name},name=${ports[name]}`
]

/** Everything after `qemu-system-x86_64`. */
export const qemuArguments = (plan: BootPlan): ReadonlyArray<string> => [
  "-M",
  "q35",
  "-accel",
  // Counted time has one thread take turns on all CPUs.
  plan.accelerator === "kvm" ? "kvm" : plan.icount === undefined ? "tcg,thread=multi" : "tcg",
  ...(plan.icount === undefined ? [] : ["-icount", `shift=${plan.icount},sleep=on`]),
  "-cpu",
  processor(plan),
  "-smp",
  String(plan.cpus),
  "-m",
  `${Math.ceil(plan.memory / 2 ** 20)}M`,
  "-no-user-config",
  "-nodefaults",
  "-display",
  "none",
  "-no-reboot",
  "-chardev",
  `socket,id=console,fd=${descriptors.console}`,
  "-serial",
  "chardev:console",
  "-device",
  "virtio-serial-pci",
  ...port("control"),
  ...port("stdin"),
  ...port("stdout"),
  ...port("stderr"),
  ...share(ports.root, "/", true),
  ...(plan.out === undefined ? [] : share(ports.out, plan.out, false)),
  "-kernel",
  plan.image,
  "-initrd",
  plan.initramfs,
  "-append",
  kernelArguments.join(" ")
]
