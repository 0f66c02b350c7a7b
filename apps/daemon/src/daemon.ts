/**
 * wmod's commands: run, `check FILE`, `schema`, `restore`, `demo`, and how an end becomes an exit code: 0 done, 1 failed, 2 the configuration or what was typed is
 * wrong, 3 not on this machine.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { KernelRoots, type KernelRootsShape, KernFs } from "@wmo/core"
import { configJsonSchema, ConfigRejected, loadConfig, NotHere, recover } from "@wmo/daemon"
import { Cause, Console, Data, Effect, Exit, Layer, Logger } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import { tellServiceManager } from "./serviceManager.ts"
import { runUntilSignalled } from "./untilSignalled.ts"
import { version } from "./version.ts"

/** What was typed is wrong. */
class Refusal extends Data.TaggedError("Refusal")<{ readonly message: string }> {}

const stateDirectory = (): string => process.env["WMO_STATE_DIR"] || "/run/wmo"
const logger = Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])

const flags = {
  config: Flag.String("config").pipe(
    Flag.withDefault("/etc/wmod.yaml"),
    Flag.withMetavar("FILE"),
    Flag.withDescription("the configuration (default /etc/wmod.yaml)")
  )
}

const run = Effect.fn("wmod")(function* ({ config: file }: Command.Command.Config.Infer<typeof flags>) {
  const options = { file, version, stateDirectory: stateDirectory(), command: ["wmod", ...process.argv.slice(2)].join(" ") }
  yield* runUntilSignalled(options, ({ config }) =>
    Effect.andThen(
      tellServiceManager,
      Effect.logInfo(`wmod ${version} looks after groups by ${file}${config.dryRun ? " (a dry run)" : ""}`)
    )
  )
})

const checkFlags = { file: Argument.String("file").pipe(Argument.withDescription("the configuration")) }

const check = Command.make(
  "check",
  checkFlags,
  Effect.fn("wmod check")(function* ({ file }) {
    const { rules } = yield* loadConfig(file, { stateDirectory: stateDirectory() })
    yield* Console.log(`${file}: in order, ${rules.length} rule${rules.length === 1 ? "" : "s"}`)
  })
).pipe(Command.withDescription("Check a configuration: everything that is wrong, with lines (exit code 2), or nothing (0)."))

const schema = Command.make("schema", {}, () => Console.log(JSON.stringify(configJsonSchema(), null, 2))).pipe(
  Command.withDescription("Print the JSON Schema of the configuration, for editors.")
)

/** The state directory is where the configuration says, as long as it can be read. */
const restore = Command.make(
  "restore",
  flags,
  Effect.fn("wmod restore")(function* ({ config: file }) {
    const fallback = stateDirectory()
    const configured = yield* Effect.orElseSucceed(
      Effect.map(loadConfig(file, { stateDirectory: fallback }), (config) => config.stateDirectory),
      () => fallback
    )
    const kept: Array<string> = []
    for (const directory of new Set([configured, fallback])) kept.push(...(yield* recover(directory)))
    if (kept.length > 0) return yield* Effect.fail(new Error(`could not be put back: ${kept.join(", ")}`))
  })
).pipe(Command.withDescription("Undo what a wmod or wmo that was killed has left in the kernel, and say so. One that runs is left alone."))

const demoFlags = {
  http: Flag.String("http").pipe(
    Flag.withDefault("127.0.0.1:9273"),
    Flag.withMetavar("HOST:PORT"),
    Flag.withDescription("where the page is (default 127.0.0.1:9273)")
  ),
  speed: Flag.Finite("speed").pipe(Flag.withDefault(10), Flag.withDescription("simulated seconds in a real one, 0.1 to 100 (default 10)")),
  groups: Flag.Int("groups").pipe(Flag.withDefault(0), Flag.withDescription("further groups, small ones, up to 5000 (default 0)"))
}

const demo = Command.make(
  "demo",
  demoFlags,
  Effect.fn("wmod demo")(function* (asked) {
    if (!(asked.speed >= 0.1 && asked.speed <= 100)) return yield* new Refusal({ message: "--speed must be between 0.1 and 100" })
    if (asked.groups < 0 || asked.groups > 5000) return yield* new Refusal({ message: "--groups must be between 0 and 5000" })
    const { demo } = yield* Effect.promise(() => import("./demo/demo.ts"))
    yield* demo(asked)
  })
).pipe(Command.withDescription("See wmod's page with a simulated machine behind it: no root, no kernel features needed, nothing touched."))

const wmod = Command.make("wmod", flags, run).pipe(
  Command.withDescription(
    "Runs reclaim policies on groups that come and go, by one configuration file. SIGHUP reloads it, SIGTERM ends and puts everything back."
  ),
  Command.withSubcommands([check, schema, restore, demo])
)

const linesOf = (error: unknown): { readonly code: number; readonly lines: ReadonlyArray<string> } => {
  if (error instanceof ConfigRejected) return { code: 2, lines: error.lines }
  if (CliError.isCliError(error)) return { code: 2, lines: [] }
  const lines = [`wmod: ${error instanceof Error ? error.message : String(error)}`]
  return { code: error instanceof NotHere ? 3 : error instanceof Refusal ? 2 : 1, lines }
}

/** The exit code of a run of the command line, after what went wrong was said. `roots`: other ones than the machine's, for benches. */
export const main = async (args: ReadonlyArray<string>, roots: Partial<KernelRootsShape> = {}): Promise<number> => {
  const program = Command.runWith(wmod, { version })(args).pipe(
    Effect.provide(Layer.mergeAll(NodeServices.layer, KernFs.layer, logger)),
    Effect.updateService(KernelRoots, (own) => ({ ...own, ...roots }))
  )
  const exit = await Effect.runPromiseExit(program)
  if (Exit.isSuccess(exit)) return 0
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  const { code, lines } =
    failure === undefined
      ? { code: 1, lines: [`wmod: this is a bug, please report it:\n${Cause.pretty(exit.cause)}`] }
      : linesOf(failure.error)
  for (const line of lines) console.error(line)
  return code
}
