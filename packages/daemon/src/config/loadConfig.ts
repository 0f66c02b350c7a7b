/** Reads a configuration from its file, loads the modules that it names, and checks the whole. */
import { type AnyPolicy, policies as builtIn } from "@wmo/policies"
import { Effect, Result } from "effect"
import { readFileSync } from "node:fs"
import { checkConfig, type CheckOptions } from "./checkConfig.ts"
import type { Config } from "./Config.ts"
import { type ConfigProblem, ConfigRejected } from "./ConfigProblem.ts"
import { loadPolicies } from "./loadPolicies.ts"
import { readYaml } from "./YamlText.ts"

const specifiersOf = (value: unknown): ReadonlyArray<unknown> => {
  const given = typeof value === "object" && value !== null ? (value as { readonly policies?: unknown }).policies : undefined
  return Array.isArray(given) ? given : []
}

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
    const policies: Array<AnyPolicy> = [...builtIn]
    const problems: Array<ConfigProblem> = []
    for (const [i, specifier] of specifiersOf(yaml.value).entries()) {
      if (typeof specifier !== "string" || specifier === "") continue
      const loaded = yield* Effect.result(loadPolicies(specifier, file))
      if (Result.isFailure(loaded)) {
        problems.push(yaml.problem(["policies", i], loaded.failure))
        continue
      }
      for (const policy of loaded.success) {
        if (policies.some(({ name }) => name === policy.name))
          problems.push(yaml.problem(["policies", i], `${specifier}: there is a policy "${policy.name}" already; give it another name`))
        else policies.push(policy)
      }
    }
    const checked = checkConfig(text, { ...options, file, policies })
    if (Result.isFailure(checked)) return yield* new ConfigRejected({ file, problems: [...problems, ...checked.failure.problems] })
    if (problems.length > 0) return yield* new ConfigRejected({ file, problems })
    return checked.success
  })
