/** The house rule of ARCHITECTURE.md: a package depends only on packages of floors below its own. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")
const floors: ReadonlyArray<ReadonlyArray<string>> = [
  ["core"],
  ["arena", "sim", "monitors"],
  ["policies"],
  ["recording"],
  ["control", "report"],
  ["lab", "daemon"],
  ["cli", "wmod"]
]
const floorOf = (name: string): number => floors.findIndex((names) => names.includes(name))

const packages = ["packages", "apps"].flatMap((directory) => readdirSync(join(root, directory)).map((name) => ({ directory, name })))

it.each(packages)("$directory/$name stands on lower floors only", ({ directory, name }) => {
  const manifest = JSON.parse(readFileSync(join(root, directory, name, "package.json"), "utf8"))
  const floor = floorOf(manifest.name.slice("@wmo/".length))
  expect(floor, `${manifest.name} has no floor: add it here and to ARCHITECTURE.md`).toBeGreaterThanOrEqual(0)
  const uses = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).filter((dependency) =>
    dependency.startsWith("@wmo/")
  )
  for (const dependency of uses) expect(floorOf(dependency.slice("@wmo/".length)), `${name} → ${dependency}`).toBeLessThan(floor)
})
