/**
 * The tree that is installed, below a prefix: `bin`, `lib/wmo` (bundles, what they look for beside them, Node.js), the unit, documentation.
 * Does not know archives. koffi's binary and lz4's WebAssembly stay packages, since bundles find them by name.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

export const root = join(import.meta.dirname, "../..")

export interface What {
  readonly version: string
  readonly withNode: boolean
  /** Seconds since 1970: the time of every file. */
  readonly epoch: number
}

const fail = (message: string): never => {
  throw new Error(message)
}

const packageOf = (name: string, from: string): string => dirname(createRequire(join(from, "package.json")).resolve(`${name}/package.json`))

/** By the directory's own listing: a package need not export its package.json. */
const directoryOf = (name: string, from: string): string => {
  for (let directory = from; ; directory = dirname(directory)) {
    const found = join(directory, "node_modules", name)
    if (existsSync(found)) return found
    if (directory === dirname(directory)) return fail(`${name} is not installed: run \`npx -y pnpm@12 install\``)
  }
}

/** Needs at least Node 22.13, which Debian 12 and 13 do not have: so Node.js comes with it. */
const nodeBinary = (): string => join(packageOf(`node-linux-${process.arch}`, root), "bin/node")

/** A young generation that stays small: a daemon's memory, not a moment's speed. */
const flags = { wmo: "", wmod: " --max-semi-space-size=2" }

const launcher = (program: "wmo" | "wmod", directory: string): string => `#!/bin/sh
# ${program}, with the Node.js that came with it or, without one, that of the PATH.
lib=$(dirname "$(readlink -f "$0")")/../lib/wmo
node=$lib/bin/node
[ -x "$node" ] || node=$(command -v node) || {
  echo "${program}: there is no Node.js: install 22.13 or later, or the package of WMO that carries it" >&2
  exit 3
}
exec "$node"${flags[program]} "$lib/${directory}/${program}.js" "$@"
`

/** koffi's sources in C++ lie beside them. */
const isScript = (path: string): boolean => !/\.(?:cc|hh|inc|S|asm|h)$/.test(path)

/** What Node.js needs of koffi: its two modules and this architecture's binary for glibc. */
const stageKoffi = (modules: string): void => {
  const koffi = directoryOf("koffi", join(root, "apps/daemon"))
  const binary = directoryOf(`@koromix/koffi-linux-${process.arch}`, realpathSync(koffi))
  for (const part of ["package.json", "LICENSE.txt", "index.js", "index.cjs", "src/koffi/index.js", "src/koffi/index.cjs", "src/koffi/src"])
    cpSync(join(koffi, part), join(modules, "koffi", part), { recursive: true, dereference: true, filter: isScript })
  for (const part of ["package.json", "index.js", `linux_${process.arch}`])
    cpSync(join(binary, part), join(modules, "@koromix", `koffi-linux-${process.arch}`, part), { recursive: true, dereference: true })
}

interface Licensed {
  readonly name: string
  readonly versions: ReadonlyArray<string>
  readonly paths: ReadonlyArray<string>
}

/** The licences of what the bundles are made of. */
const notices = (): string => {
  const text = execFileSync("npx", ["-y", "pnpm@12", "licenses", "list", "--prod", "--json"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 2 ** 26
  })
  const byLicense = JSON.parse(text) as Readonly<Record<string, ReadonlyArray<Licensed>>>
  const parts = Object.entries(byLicense).flatMap(([license, packages]) =>
    packages.map(({ name, paths, versions }) => {
      const files = readdirSync(paths[0]!).filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
      const texts = files.toSorted().map((file) => readFileSync(join(paths[0]!, file), "utf8").trim())
      return { name, text: `== ${name} ${versions.join(", ")} (${license})\n\n${texts.join("\n\n")}\n` }
    })
  )
  return parts
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((part) => part.text)
    .join("\n")
}

/** Modes as they should be, whatever the umask of whoever builds. */
const settle = (path: string): void => {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const full = join(path, entry.name)
    if (entry.isDirectory()) settle(full)
    else chmodSync(full, /\/bin\/[^/]+$|\/install\.sh$/.test(full) ? 0o755 : 0o644)
  }
  chmodSync(path, 0o755)
}

/** Makes `tree`. Fails where something has not been built or installed. */
export const stage = (tree: string, { withNode }: What): void => {
  const lib = join(tree, "lib/wmo")
  const documents = join(tree, "share/doc/wmo")
  for (const directory of [join(tree, "bin"), join(lib, "node_modules"), join(lib, "bin"), join(tree, "lib/systemd/system"), documents])
    mkdirSync(directory, { recursive: true })
  for (const [program, app] of [["wmo", "cli"] as const, ["wmod", "daemon"] as const]) {
    const dist = join(root, "apps", app, "dist")
    if (!existsSync(join(dist, `${program}.js`))) fail(`${dist} is not built: run \`npx -y pnpm@12 package\`, which does`)
    cpSync(dist, join(lib, app), { recursive: true })
    writeFileSync(join(tree, "bin", program), launcher(program, app))
  }
  // The bundles are ES modules.
  writeFileSync(join(lib, "package.json"), '{ "type": "module" }\n')
  stageKoffi(join(lib, "node_modules"))
  cpSync(directoryOf("lz4-wasm-nodejs", join(root, "apps/cli")), join(lib, "node_modules/lz4-wasm-nodejs"), {
    recursive: true,
    dereference: true
  })
  if (withNode) {
    const node = nodeBinary()
    cpSync(node, join(lib, "bin/node"), { dereference: true })
    cpSync(join(dirname(node), "../LICENSE"), join(documents, "nodejs-license.txt"))
  }
  cpSync(join(root, "deploy/wmod.service"), join(tree, "lib/systemd/system/wmod.service"))
  cpSync(join(root, "deploy/wmod.yaml"), join(documents, "wmod.yaml"))
  for (const name of ["wmod.example.yaml", "wmod.schema.json"]) cpSync(join(root, "packages/daemon", name), join(documents, name))
  cpSync(join(root, "deploy/README.md"), join(documents, "README.md"))
  cpSync(join(root, "LICENSE"), join(documents, "LICENSE"))
  writeFileSync(join(documents, "third-party-licenses.txt"), notices())
  settle(tree)
}
