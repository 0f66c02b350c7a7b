/**
 * Monitors of third parties, by module specifier, as policies are. What a module exports (by default, or all) is checked to look like a monitor: a plain object
 * with `open`, which needs nothing of WMO, or a `Sampler` of `@wmo/monitors`. What it does when it runs is `runMonitor`'s to watch.
 */
import type { Milliseconds } from "@wmo/core"
import type { Sample, Sampler } from "@wmo/monitors"
import { Effect } from "effect"
import { loadModule } from "./loadModule.ts"

/** A monitor without WMO's or Effect's types: for modules of third parties. */
export interface PlainMonitor {
  readonly name: string
  readonly needs?: ReadonlyArray<string> | undefined
  /** Kinds of its subjects. */
  readonly kinds: ReadonlyArray<string>
  /** Once, before the first sample. */
  readonly open: () => PlainSampling | Promise<PlainSampling>
}

export interface PlainSampling {
  readonly sample: () => ReadonlyArray<Sample> | Promise<ReadonlyArray<Sample>>
  readonly close?: (() => void | Promise<void>) | undefined
}

export type Monitor = PlainMonitor | Sampler<unknown, unknown>

/** Between two samples, unless the configuration says otherwise. */
export const defaultMonitorEveryMs: Milliseconds = 10_000

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null
const isName = (value: unknown): value is string => typeof value === "string" && /^[a-z][a-z0-9_-]*$/.test(value)

/** Why this is no monitor, in a phrase; undefined where it looks like one. */
const monitorProblem = (value: unknown): string | undefined => {
  if (!isObject(value)) return "it is no object"
  const { kinds, make, name, open } = value
  if (!isName(name)) return "its name must be of a-z, 0-9, - and _"
  if (!Array.isArray(kinds) || kinds.length === 0 || !kinds.every(isName)) return `${name} has no list kinds (words of a-z, 0-9, - and _)`
  return typeof open === "function" || Effect.isEffect(make) ? undefined : `${name} has neither a function open nor an Effect make`
}

/** The monitors of a module. Fails with a phrase that says why there are none. */
export const loadMonitors = (specifier: string, file: string): Effect.Effect<ReadonlyArray<Monitor>, string> =>
  Effect.flatMap(loadModule(specifier, file), (exported) => {
    const problem = exported.length === 0 ? "it exports nothing" : exported.map(monitorProblem).find((text) => text !== undefined)
    return problem === undefined
      ? Effect.succeed(exported as ReadonlyArray<Monitor>)
      : Effect.fail(`${specifier} is no module of monitors: ${problem}`)
  })
