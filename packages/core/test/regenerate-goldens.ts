/**
 * Writes `golden.json` beside each captured tree: `pnpm --filter @wmo/core goldens`. Look at the difference before you commit it:
 * the goldens are what the codecs made of real files, and a change in them is a change of meaning.
 */
import { writeFileSync } from "node:fs"
import { decodeFixture, fixtureNames, fixturesDirectory } from "./fixtures.ts"

for (const name of fixtureNames()) {
  const decoded = decodeFixture(`${fixturesDirectory}/${name}`)
  writeFileSync(`${fixturesDirectory}/${name}/golden.json`, `${JSON.stringify(decoded, undefined, 1)}\n`)
  const wrong = Object.entries(decoded).filter(([, value]) => typeof value === "object" && value !== null && "misunderstood" in value)
  console.log(`${name}: ${Object.keys(decoded).length} files decoded, ${wrong.length} misunderstood`)
  for (const [path, value] of wrong) console.error(path, value)
}
