/** What `wmo vm run|shell|setup` do. */
import {
  defaultSeries,
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
import { Console, Effect, Option } from "effect"
import type { VmRunFlags, VmSetupFlags, VmShellFlags } from "../commands/vm.ts"
import { ExitCode, ExitWith, Failure } from "../Exit.ts"

const parsedOptions = (flags: Omit<VmRunFlags, "command">): Effect.Effect<VmOptions, VmError> =>
  Effect.fromResult(
    parseVmOptions({
      memory: Option.getOrUndefined(flags.memory),
      cpus: Option.getOrUndefined(flags.cpus),
      zswap: Option.getOrUndefined(flags.zswap),
      swap: Option.getOrUndefined(flags.swap),
      thp: Option.getOrUndefined(flags.thp),
      kernel: Option.getOrUndefined(flags.kernel),
      kernelSeries: Option.getOrUndefined(flags.kernelSeries),
      icount: Option.getOrUndefined(flags.icount),
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

export const vmRunAction = Effect.fn("wmo vm run")(
  function* (flags: VmRunFlags) {
    const options = yield* parsedOptions(flags)
    const stdin = process.stdin.isTTY ? undefined : process.stdin
    const result = yield* vmRun(flags.command, options, { stdin, stdout: process.stdout, stderr: process.stderr })
    yield* passOn(result.exitCode)
  },
  Effect.catchTag("VmError", ending)
)

export const vmShellAction = Effect.fn("wmo vm shell")(
  function* (flags: VmShellFlags) {
    const options = yield* parsedOptions(flags)
    if (process.stdin.isTTY) yield* Console.error("booting; Ctrl+] ends the guest")
    const result = yield* vmShell(flags.command, options, { stdin: process.stdin, stdout: process.stdout })
    yield* passOn(result.exitCode)
  },
  Effect.catchTag("VmError", ending)
)

const mark = (part: VmPart): string => (part.found ? "ok     " : part.required ? "MISSING" : "no     ")

const table = (report: VmSetupReport): string =>
  report.parts
    .flatMap((part) => [
      `${mark(part)}  ${part.name.padEnd(12)}  ${part.detail}`,
      ...(part.how === undefined ? [] : [`${" ".repeat(23)}to get it: ${part.how}`])
    ])
    .join("\n")

export const vmSetupAction = Effect.fn("wmo vm setup")(
  function* (flags: VmSetupFlags) {
    const cache = vmCache()
    const series = Option.getOrUndefined(flags.kernelSeries)
    if (flags.install) yield* vmInstall(cache, series ?? defaultSeries, (line) => Console.error(`wmo: ${line}`))
    const report = yield* vmSetup(cache, series)
    yield* Console.log(flags.json ? JSON.stringify(report) : table(report))
    if (!report.ready) return yield* new ExitWith({ code: ExitCode.unsupported })
  },
  Effect.catchTag("VmError", ending)
)
