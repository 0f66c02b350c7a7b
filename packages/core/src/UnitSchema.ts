/**
 * Schemas from what people write to numbers: sizes and durations in configuration files, flags and policy settings.
 * Errors are the sentences of the parsers in Units.
 */
import { Result, Schema, SchemaGetter } from "effect"
import { parseBytes, parseDuration, printBytes, printDuration } from "./Units.ts"

/** A schema from a parser that says in a sentence what is wrong, and a printer that it reads back. */
export const numberFromText = (
  parse: (text: string) => Result.Result<number, string>,
  print: (value: number) => string
): Schema.Codec<number, string> =>
  Schema.String.check(
    Schema.makeFilter((text: string) => Result.match(parse(text), { onFailure: (why) => why, onSuccess: () => undefined }))
  ).pipe(
    Schema.decodeTo(Schema.Finite, {
      decode: SchemaGetter.transform((text: string) => Result.getOrThrow(parse(text))),
      encode: SchemaGetter.transform(print)
    })
  )

/** `64M`, `1.5GiB` → bytes. */
export const BytesFromText = numberFromText(parseBytes, printBytes)

/** `500ms`, `10s`, `2m30s` → milliseconds. */
export const MillisecondsFromText = numberFromText(parseDuration, printDuration)
