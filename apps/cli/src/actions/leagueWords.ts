/** The words of a league's workload, read as `wmo workload` will read them in the guests. */
import { Effect } from "effect"
import { CliConfig, CliError, CliOutput, Command } from "effect/cli"
import { workload } from "../commands/workload.ts"
import { usageError } from "../Exit.ts"
import { version } from "../version.ts"

const readOnly = Command.make("wmo").pipe(Command.withSubcommands([Command.withHandler(workload, () => Effect.void)]))

/** Runs nothing; without `--help` and the like. Fails without a word with the first thing that is wrong: whoever runs this command says it. */
export const checkWords = Effect.fnUntraced(
  function* (words: ReadonlyArray<string>) {
    if (words[0]?.startsWith("-")) return yield* usageError(`"${words[0]}" is not a workload: see \`wmo workload --help\``)
    yield* Command.runWith(readOnly, { version })(["workload", ...words])
  },
  Effect.catchTag("ShowHelp", ({ commandPath, errors }) => Effect.fail(new CliError.ShowHelp({ commandPath, errors: errors.slice(0, 1) }))),
  Effect.provideService(CliConfig.CliConfig, CliConfig.make({ builtIns: [] })),
  Effect.provideService(CliOutput.Presenter, { present: () => Effect.void })
)
