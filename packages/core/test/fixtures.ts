/** The captured kernel trees under `fixtures/`, and what decoding one whole gives. */
import { Result } from "effect"
import { existsSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { codecForPath, loadFixture } from "../src/testing.ts"

export const fixturesDirectory = fileURLToPath(new URL("../../../fixtures", import.meta.url))

export const fixtureNames = (): ReadonlyArray<string> =>
  existsSync(fixturesDirectory)
    ? readdirSync(fixturesDirectory).filter((name) => existsSync(`${fixturesDirectory}/${name}/manifest.json`))
    : []

/** Path → decoded value, `{ error }` of the kernel, or the codec's complaint. Counters print as decimal strings. */
export const decodeFixture = (directory: string): Record<string, unknown> => {
  const { fs, manifest } = loadFixture(directory)
  const decoded: Record<string, unknown> = {}
  for (const { error, mode, path } of manifest.files) {
    const codec = codecForPath(path)
    if (codec === undefined || (mode & 0o444) === 0) continue
    if (error !== undefined) {
      decoded[path] = { error }
      continue
    }
    const result = codec.decode(new TextEncoder().encode(fs.text(path)))
    decoded[path] = Result.isSuccess(result) ? result.success : { misunderstood: result.failure.message }
  }
  return JSON.parse(
    JSON.stringify(decoded, (_, value) => (typeof value === "bigint" ? String(value) : value === Infinity ? "Infinity" : value))
  )
}
