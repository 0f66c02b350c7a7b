/** `wmo vm`: a stock kernel in a virtual machine, to try things on for real. What it takes, running a command, a shell. */
import {
  defaultSeries,
  defaultVmOptions,
  parseVmOptions,
  renderVmError,
  vmCache,
  type VmError,
  vmExitCode,
  vmInstall,
  type VmOptions,
  type VmPart,
  vmRun,
  vmSetup,
  type VmSetupReport,
  vmShell
} from "@wmo/lab"
import { formatBytes } from "@wmo/core"
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { ExitCode, ExitWith, Failure } from "../Exit.ts"
import { json } from "../flags.ts"

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

interface OptionFlags {
  readonly memory: Option.Option<string>
  readonly cpus: Option.Option<string>
  readonly zswap: Option.Option<string>
  readonly swap: Option.Option<string>
  readonly thp: Option.Option<string>
  readonly kernel: Option.Option<string>
  readonly kernelSeries: Option.Option<string>
  readonly timeout: Option.Option<string>
  readonly out: Option.Option<string>
  readonly env: ReadonlyArray<string>
}

const parsedOptions = (flags: OptionFlags): Effect.Effect<VmOptions, VmError> =>
  Effect.fromResult(
    parseVmOptions({
      memory: Option.getOrUndefined(flags.memory),
      cpus: Option.getOrUndefined(flags.cpus),
      zswap: Option.getOrUndefined(flags.zswap),
      swap: Option.getOrUndefined(flags.swap),
      thp: Option.getOrUndefined(flags.thp),
      kernel: Option.getOrUndefined(flags.kernel),
      kernelSeries: Option.getOrUndefined(flags.kernelSeries),
      timeout: Option.getOrUndefined(flags.timeout),
      out: Option.getOrUndefined(flags.out),
      env: flags.env
    })
  )

/** An error of the VM as an end of this command: the codes of `ExitCode` by `Failure`, a code of the guest's command after its line. */
const ending = (error: VmError): Effect.Effect<never, Failure | ExitWith> => {
  const code = vmExitCode(error)
  const known = Object.values(ExitCode).find((exitCode) => exitCode === code)
  if (known !== undefined && error.exitCode === undefined)
    return Effect.fail(new Failure({ message: renderVmError(error), exitCode: known }))
  return Effect.andThen(Console.error(`wmo: ${renderVmError(error)}`), Effect.fail(new ExitWith({ code })))
}

const passOn = (exitCode: number): Effect.Effect<void, ExitWith> =>
  exitCode === 0 ? Effect.void : Effect.fail(new ExitWith({ code: exitCode }))

const run = Command.make(
  "run",
  { ...optionFlags, command: Argument.String("command").pipe(Argument.variadic(), Argument.withMetavar("-- CMD…")) },
  Effect.fn("wmo vm run")(
    function* (flags) {
      const options = yield* parsedOptions(flags)
      const stdin = process.stdin.isTTY ? undefined : process.stdin
      const result = yield* vmRun(flags.command, options, { stdin, stdout: process.stdout, stderr: process.stderr })
      yield* passOn(result.exitCode)
    },
    Effect.catchTag("VmError", ending)
  )
).pipe(
  Command.withDescription(
    "Runs a command in a fresh guest that has this machine's files (changes to them are thrown away) and ends with its exit code. " +
      "Root, cgroup v2, zswap and swap are there."
  )
)

const shell = Command.make(
  "shell",
  { ...optionFlags, command: Argument.String("command").pipe(Argument.variadic(), Argument.withMetavar("-- SHELL…")) },
  Effect.fn("wmo vm shell")(
    function* (flags) {
      const options = yield* parsedOptions(flags)
      if (process.stdin.isTTY) yield* Console.error("booting; Ctrl+] ends the guest")
      const result = yield* vmShell(flags.command, options, { stdin: process.stdin, stdout: process.stdout })
      yield* passOn(result.exitCode)
    },
    Effect.catchTag("VmError", ending)
  )
).pipe(Command.withDescription("Opens a shell in a fresh guest, on its console."))

const mark = (part: VmPart): string => (part.found ? "ok     " : part.required ? "MISSING" : "no     ")

const table = (report: VmSetupReport): string =>
  report.parts
    .flatMap((part) => [
      `${mark(part)}  ${part.name.padEnd(12)}  ${part.detail}`,
      ...(part.how === undefined ? [] : [`${" ".repeat(23)}to get it: ${part.how}`])
    ])
    .join("\n")

const setup = Command.make(
  "setup",
  {
    install: Flag.Boolean("install").pipe(Flag.withDefault(false), Flag.withDescription("fetch what is missing (Debian)")),
    kernelSeries: Flag.Literals("kernel-series", ["6.12", "6.1"]).pipe(
      Flag.optional,
      Flag.withDescription(`which kernel to look for and to fetch (default ${defaultSeries})`)
    ),
    json: json.pipe(Flag.withDefault(false))
  },
  Effect.fn("wmo vm setup")(
    function* (flags) {
      const cache = vmCache()
      const series = Option.getOrUndefined(flags.kernelSeries)
      if (flags.install) yield* vmInstall(cache, series ?? defaultSeries, (line) => Console.error(`wmo: ${line}`))
      const report = yield* vmSetup(cache, series)
      yield* Console.log(flags.json ? JSON.stringify(report) : table(report))
      if (!report.ready) return yield* new ExitWith({ code: ExitCode.unsupported })
    },
    Effect.catchTag("VmError", ending)
  )
).pipe(Command.withDescription("Says what the VM needs and what of it is there; with --install, fetches the rest."))

export const vm = Command.make("vm").pipe(
  Command.withDescription("A real kernel in seconds: run a command, or a shell, in a virtual machine."),
  Command.withSubcommands([run, shell, setup])
)
