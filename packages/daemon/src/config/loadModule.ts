/**
 * Loads a module of a third party by its specifier: a path beside the configuration, or a package that can be resolved from there. Does not know what
 * it should export. One that has changed is loaded anew.
 */
import { Effect } from "effect"
import { statSync } from "node:fs"
import { createRequire } from "node:module"
import { posix } from "node:path"
import { pathToFileURL } from "node:url"

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]!

/** Of a file that has changed: a module of its own, since a module is loaded once a process. */
const urlOf = (specifier: string, file: string): string => {
  const from = posix.resolve(posix.dirname(file), "wmod.yaml")
  const path = /^[./]/.test(specifier) ? posix.resolve(posix.dirname(from), specifier) : createRequire(from).resolve(specifier)
  return `${pathToFileURL(path).href}?changed=${statSync(path).mtimeMs}`
}

/** What it exports by default, as a list, or all that it exports. Fails with a phrase that says why it cannot be loaded. */
export const loadModule = (specifier: string, file: string): Effect.Effect<ReadonlyArray<unknown>, string> =>
  Effect.tryPromise({
    try: async () => {
      const module = (await import(urlOf(specifier, file))) as Readonly<Record<string, unknown>>
      return module["default"] === undefined ? Object.values(module) : [module["default"]].flat()
    },
    catch: (cause) => `${specifier} cannot be loaded: ${messageOf(cause)}`
  })
