/** `wmo vm`: a stock kernel in a virtual machine, to try things on for real. What it takes, running a command, a shell. */
import { formatBytes } from "@wmo/core"
import { defaultSeries, defaultVmOptions } from "@wmo/lab"
import { Argument, Command, Flag } from "effect/cli"
import { json } from "../flags.ts"
import { lazily } from "../lazily.ts"

const optionFlags = {
  memory: Flag.String("memory").pipe(
    Flag.withAlias("m"),
    Flag.optional,
    Flag.withMetavar("SIZE"),
    Flag.withDescription(`memory of the guest (default ${formatBytes(defaultVmOptions.memory)})`)
  ),
  cpus: Flag.String("cpus").pipe(
    Flag.optional,
    Flag.withMetavar("N"),
    Flag.withDescription(`CPUs of the guest (default ${defaultVmOptions.cpus})`)
  ),
  zswap: Flag.String("zswap").pipe(
    Flag.optional,
    Flag.withMetavar("COMPRESSOR"),
    Flag.withDescription("zswap's compressor: lz4 (default), zstd, lzo-rle…, or off")
  ),
  swap: Flag.String("swap").pipe(
    Flag.optional,
    Flag.withMetavar("SWAP"),
    Flag.withDescription("zram:SIZE (default zram:1G), or none; zswap needs some swap behind it")
  ),
  thp: Flag.String("thp").pipe(
    Flag.optional,
    Flag.withMetavar("MODE"),
    Flag.withDescription("transparent huge pages: always, madvise (default) or never; before 6.13 zswap does not store them")
  ),
  kernel: Flag.String("kernel").pipe(
    Flag.optional,
    Flag.withMetavar("FILE"),
    Flag.withDescription("boot this vmlinuz, with modules in ../lib/modules or /lib/modules (default: the newest of the cache)")
  ),
  kernelSeries: Flag.String("kernel-series").pipe(
    Flag.optional,
    Flag.withMetavar("SERIES"),
    Flag.withDescription("boot the newest cached kernel of this series: 6.12, 6.1")
  ),
  icount: Flag.String("icount").pipe(
    Flag.optional,
    Flag.withMetavar("N"),
    Flag.withDescription("count time by instructions, each 2^N ns, so that results repeat; all CPUs share it (default: the host's clock)")
  ),
  timeout: Flag.String("timeout").pipe(
    Flag.optional,
    Flag.withMetavar("TIME"),
    Flag.withDescription("end a command that runs longer, with exit code 1 (default: no limit)")
  ),
  out: Flag.String("out").pipe(
    Flag.withAlias("o"),
    Flag.optional,
    Flag.withMetavar("DIR"),
    Flag.withDescription("let the command write to this directory of the host; it is $WMO_OUT in the guest")
  ),
  env: Flag.String("env").pipe(
    Flag.withAlias("e"),
    Flag.atLeast(0),
    Flag.withMetavar("NAME=VALUE"),
    Flag.withDescription("a variable for the command; can be repeated")
  )
} as const

const runFlags = { ...optionFlags, command: Argument.String("command").pipe(Argument.variadic(), Argument.withMetavar("-- CMD…")) }
export type VmRunFlags = Command.Command.Config.Infer<typeof runFlags>

const run = Command.make(
  "run",
  runFlags,
  lazily(async () => (await import("../actions/vm.ts")).vmRunAction)
).pipe(
  Command.withDescription(
    "Runs a command in a fresh guest that has this machine's files (changes to them are thrown away) and ends with its exit code. " +
      "Root, cgroup v2, zswap and swap are there."
  )
)

const shellFlags = { ...optionFlags, command: Argument.String("command").pipe(Argument.variadic(), Argument.withMetavar("-- SHELL…")) }
export type VmShellFlags = Command.Command.Config.Infer<typeof shellFlags>

const shell = Command.make(
  "shell",
  shellFlags,
  lazily(async () => (await import("../actions/vm.ts")).vmShellAction)
).pipe(Command.withDescription("Opens a shell in a fresh guest, on its console."))

const setupFlags = {
  install: Flag.Boolean("install").pipe(Flag.withDefault(false), Flag.withDescription("fetch what is missing (Debian)")),
  kernelSeries: Flag.Literals("kernel-series", ["6.12", "6.1"]).pipe(
    Flag.optional,
    Flag.withDescription(`which kernel to look for and to fetch (default ${defaultSeries})`)
  ),
  json: json.pipe(Flag.withDefault(false))
}
export type VmSetupFlags = Command.Command.Config.Infer<typeof setupFlags>

const setup = Command.make(
  "setup",
  setupFlags,
  lazily(async () => (await import("../actions/vm.ts")).vmSetupAction)
).pipe(Command.withDescription("Says what the VM needs and what of it is there; with --install, fetches the rest."))

export const vm = Command.make("vm").pipe(
  Command.withDescription("A real kernel in seconds: run a command, or a shell, in a virtual machine."),
  Command.withSubcommands([run, shell, setup])
)
