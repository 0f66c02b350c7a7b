/**
 * Settings of policies: each a Schema from what people write (`10s`, `64M`, `0.5%`) to a number, with its default, unit and one line of
 * documentation, so that `wmo policy show`, `--set` and configuration files all come from the same place.
 */
import { BytesFromText, printDuration, numberFromText, parseDuration } from "@wmo/core"
import { distance } from "fastest-levenshtein"
import { Data, Result, Schema } from "effect"

export type SettingUnit = "bytes" | "milliseconds" | "percent" | "ratio" | "choice"

/** What a setting does (`doc`, one line) and how a person writes its default. */
export interface SettingDoc {
  readonly doc: string
  readonly default: string
}

/** A documented setting. `schema` decodes text to a number of `unit`, and encodes a number as a person would write it. */
export interface Setting extends SettingDoc {
  readonly unit: SettingUnit
  readonly schema: Schema.Codec<number, string>
}

/** The settings of a policy by name (snake_case, as they are written on the command line). */
export type Settings = Readonly<Record<string, Setting>>

/** Decoded settings: every one a number of its unit. */
export type SettingValues<S extends Settings> = { readonly [K in keyof S]: number }

const parseNumber =
  (what: string, suffix: RegExp, minimum: number, maximum: number) =>
  (text: string): Result.Result<number, string> => {
    const digits = text.trim().replace(suffix, "")
    const value = Number(digits)
    if (digits === "" || !Number.isFinite(value)) return Result.fail(`"${text}" is not ${what}`)
    return value < minimum || value > maximum ? Result.fail(`${text} is not between ${minimum} and ${maximum}`) : Result.succeed(value)
  }

/** An amount of memory: `64M`, `1.5GiB`. */
export const bytes = (doc: SettingDoc): Setting => ({ ...doc, unit: "bytes", schema: BytesFromText })

/** A span of time: `500ms`, `10s`, `2m`. Milliseconds; more than zero. */
export const duration = (doc: SettingDoc): Setting => ({
  ...doc,
  unit: "milliseconds",
  schema: numberFromText(
    (text) => Result.flatMap(parseDuration(text), (ms) => (ms > 0 ? Result.succeed(ms) : Result.fail(`${text} is not more than zero`))),
    printDuration
  )
})

/** A percentage between 0 and 100: `0.1%` or `0.1`. */
export const percent = (doc: SettingDoc): Setting => ({
  ...doc,
  unit: "percent",
  schema: numberFromText(parseNumber("a percentage: write 0.1% for example", /\s*%$/, 0, 100), (value) => `${value}%`)
})

/** A plain number between the two bounds. */
export const ratio = (doc: SettingDoc & { readonly minimum: number; readonly maximum: number }): Setting => ({
  ...doc,
  unit: "ratio",
  schema: numberFromText(parseNumber("a number", /$/, doc.minimum, doc.maximum), String)
})

/** One of some words. Its number is the place of the word in `words`, from 0 on. */
export const choice = (doc: SettingDoc & { readonly words: ReadonlyArray<string> }): Setting => ({
  doc: `${doc.doc} (${doc.words.join(", ")})`,
  default: doc.default,
  unit: "choice",
  schema: numberFromText(
    (text) => {
      const place = doc.words.indexOf(text.trim())
      return place < 0 ? Result.fail(`"${text}" is not one of ${doc.words.join(", ")}`) : Result.succeed(place)
    },
    (place) => doc.words[place] ?? doc.default
  )
})

/** `off` is 0, `on` is 1. */
export const flag = (doc: SettingDoc & { readonly default: "on" | "off" }): Setting => choice({ ...doc, words: ["off", "on"] })

/** A setting that does not exist, or a value that it cannot have. */
export class SettingError extends Data.TaggedError("SettingError")<{ readonly message: string }> {}

/** The name nearest to what was typed, for "did you mean". Undefined when nothing is near. */
export const nearest = (name: string, names: ReadonlyArray<string>): string | undefined => {
  const ranked = names.map((known) => ({ known, edits: distance(name, known) })).toSorted((a, b) => a.edits - b.edits)
  const best = ranked[0]
  return best !== undefined && best.edits <= Math.max(2, best.known.length / 2) ? best.known : undefined
}

/** Decodes what a person set, over the defaults. Fails with one line that names the setting, and the nearest one for a wrong name. */
export const decodeSettings = <S extends Settings>(
  policy: string,
  settings: S,
  given: Readonly<Record<string, string>>
): Result.Result<SettingValues<S>, SettingError> => {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(settings, name)) continue
    const near = nearest(name, Object.keys(settings))
    const known = Object.keys(settings).join(", ") || "none"
    return Result.fail(
      new SettingError({
        message: `policy ${policy} has no setting "${name}"${near === undefined ? `; it has ${known}` : `; did you mean ${near}?`}`
      })
    )
  }
  const values: Record<string, number> = {}
  for (const [name, setting] of Object.entries(settings)) {
    const decoded = Schema.decodeResult(setting.schema)(given[name] ?? setting.default)
    if (Result.isFailure(decoded)) {
      return Result.fail(new SettingError({ message: `setting ${name} of policy ${policy}: ${decoded.failure.message.split("\n")[0]}` }))
    }
    values[name] = decoded.success
  }
  return Result.succeed(values as SettingValues<S>)
}

/** As a person would write them: what `decodeSettings` takes. */
export const encodeSettings = (settings: Settings, values: Readonly<Record<string, number>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Schema.encodeSync(settings[name]!.schema)(value)]))
