/**
 * The parts of a configuration that have the right shape, and what is wrong with the others. Does not know what they mean: `checkConfig` does.
 */
import { Result, Schema } from "effect"
import { ConfigFile } from "./ConfigFile.ts"
import type { ConfigProblem } from "./ConfigProblem.ts"
import { shapeProblems } from "./shapeProblems.ts"
import type { ValuePath, YamlText } from "./YamlText.ts"

const decodeShape = Schema.decodeUnknownResult(ConfigFile)

export interface Shape {
  readonly file: ConfigFile | undefined
  /** Where the rules that are left stood in the file. */
  readonly places: ReadonlyArray<number>
  readonly problems: Array<ConfigProblem>
}

/** What has the right shape of the file, so that one run tells what is wrong with its meaning, too. */
export const readShape = (yaml: YamlText): Shape => {
  const value = structuredClone(yaml.value ?? {})
  const options = { errors: "all", onExcessProperty: "error" } as const
  const shape = decodeShape(value, options)
  if (Result.isSuccess(shape)) return { file: shape.success, places: [...(shape.success.rules ?? []).keys()], problems: [] }
  const found = shapeProblems(shape.failure.issue)
  for (const { isMissing, path } of found) drop(value, isMissing === true ? path.slice(0, -1) : path)
  const { rules } = value as { rules?: unknown }
  const places = Array.isArray(rules) ? [...rules.keys()].filter((i) => rules[i] !== undefined) : []
  if (Array.isArray(rules)) Object.assign(value, { rules: rules.filter((each) => each !== undefined) })
  return {
    file: Result.getOrUndefined(decodeShape(value, options)),
    places,
    problems: found.map(({ at, path, what }) => yaml.problem(path, what, at))
  }
}

/** An array loses all, since what comes after must keep its place; rules keep theirs. */
const drop = (value: unknown, path: ValuePath): void => {
  const isRule = path.length === 2 && path[0] === "rules"
  const whole = typeof path.at(-1) === "number" && !isRule ? path.slice(0, -1) : path
  let parent = value as Record<PropertyKey, unknown> | undefined
  for (const part of whole.slice(0, -1)) parent = parent?.[part] as typeof parent
  const last = whole.at(-1)
  if (parent === undefined || last === undefined) return
  if (isRule) parent[last] = undefined
  else delete parent[last]
}
