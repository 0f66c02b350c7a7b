/** Reads a configuration from its file, loads the modules that it names, and checks the whole. */
import { type Milliseconds, parseDuration } from "@wmo/core"
import { type AnyPolicy, policies as builtIn } from "@wmo/policies"
import { Effect, Result } from "effect"
import { readFileSync } from "node:fs"
import { checkConfig, type CheckOptions } from "./checkConfig.ts"
import type { Config, ConfiguredMonitor } from "./Config.ts"
import { type ConfigProblem, ConfigRejected } from "./ConfigProblem.ts"
import { defaultMonitorEveryMs, loadMonitors } from "./loadMonitors.ts"
import { loadPolicies } from "./loadPolicies.ts"
import { readYaml, type YamlText } from "./YamlText.ts"

/** The modules that the file names under `key`, each with its place. */
const specifiersOf = (value: unknown, key: "policies" | "monitors"): ReadonlyArray<readonly [number, string, unknown]> => {
  const given = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined
  return (Array.isArray(given) ? given : []).flatMap((item: unknown, i) => {
    const specifier: unknown = typeof item === "object" && item !== null ? (item as { readonly module?: unknown }).module : item
    return typeof specifier === "string" && specifier !== "" ? [[i, specifier, item] as const] : []
  })
}

/** What the Schema has not let through is told by `checkConfig`. */
const everyOf = (item: unknown): Milliseconds => {
  const every = typeof item === "object" && item !== null ? (item as { readonly every?: unknown }).every : undefined
  return every === undefined ? defaultMonitorEveryMs : Result.getOrElse(parseDuration(String(every)), () => defaultMonitorEveryMs)
}

/** Adds what can be loaded to what there is; what cannot, or has a name that is taken, is a problem at its place. */
const loadAll = Effect.fnUntraced(function* <A extends { readonly name: string }>(
  key: "policies" | "monitors",
  yaml: YamlText,
  problems: Array<ConfigProblem>,
  known: ReadonlyArray<A>,
  load: (specifier: string, item: unknown) => Effect.Effect<ReadonlyArray<A>, string>
) {
  const all: Array<A> = [...known]
  for (const [i, specifier, item] of specifiersOf(yaml.value, key)) {
    const loaded = yield* Effect.result(load(specifier, item))
    if (Result.isFailure(loaded)) {
      problems.push(yaml.problem([key, i], loaded.failure))
      continue
    }
    const what = key === "policies" ? "policy" : "monitor"
    for (const each of loaded.success) {
      if (all.some(({ name }) => name === each.name))
        problems.push(yaml.problem([key, i], `${specifier}: there is a ${what} "${each.name}" already; give it another name`))
      else all.push(each)
    }
  }
  return all
})

/** `wmo reload` and `wmod check` say the same of a file. Names in it are relative to its directory. */
export const loadConfig: (file: string, options: Pick<CheckOptions, "stateDirectory">) => Effect.Effect<Config, ConfigRejected> =
  Effect.fnUntraced(function* (file, options) {
    const text = yield* Effect.try({
      try: () => readFileSync(file, "utf8"),
      catch: (cause) =>
        new ConfigRejected({
          file,
          problems: [{ line: 1, column: 1, what: `cannot be read: ${(cause as Error).message}; name a file that is there` }]
        })
    })
    const yaml = readYaml(text)
    const problems: Array<ConfigProblem> = []
    const policies = yield* loadAll<AnyPolicy>("policies", yaml, problems, builtIn, (specifier) => loadPolicies(specifier, file))
    const monitors = yield* loadAll<ConfiguredMonitor & { readonly name: string }>("monitors", yaml, problems, [], (specifier, item) =>
      Effect.map(loadMonitors(specifier, file), (loaded) =>
        loaded.map((monitor) => ({ name: monitor.name, monitor, everyMs: everyOf(item) }))
      )
    )
    const checked = checkConfig(text, { ...options, file, policies, monitors })
    if (Result.isFailure(checked)) return yield* new ConfigRejected({ file, problems: [...problems, ...checked.failure.problems] })
    if (problems.length > 0) return yield* new ConfigRejected({ file, problems })
    return checked.success
  })
