/**
 * The published JSON Schema of the configuration, for editors: made from `ConfigFile`, kept in `wmod.schema.json`.
 * Says less than `checkConfig`: it knows no policies and no units.
 */
import { Schema } from "effect"
import { ConfigFile } from "./ConfigFile.ts"

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** Descriptions of keys stand beside the type, where editors look for them, and what is not known is not allowed, as `wmod check` has it. */
const tidy = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(tidy)
  if (!isObject(value)) return value
  const { allOf, ...rest } = value
  const described = Array.isArray(allOf) && allOf.length === 1 && isObject(allOf[0]) ? { ...rest, ...allOf[0] } : value
  const closed = isObject(described["properties"]) ? { ...described, additionalProperties: false } : described
  return Object.fromEntries(Object.entries(closed).map(([name, part]) => [name, tidy(part)]))
}

/** Draft 2020-12. */
export const configJsonSchema = (): Json => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(ConfigFile)
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...(tidy(schema) as Json),
    ...(Object.keys(definitions).length === 0 ? {} : { $defs: tidy(definitions) })
  }
}
