/**
 * What a stranger gets: packs every library, has publint and attw look at the tarballs, installs them into an empty project outside the
 * workspace, type-checks a program there that imports every entry, and runs it on the fake kernel. Needs `dist` (turbo builds it first).
 */
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly publishConfig: { readonly exports: Readonly<Record<string, unknown>> }
}

const root = join(import.meta.dirname, "..")
const scratch = mkdtempSync(join(tmpdir(), "wmo-packages-"))
const problems: Array<string> = []

const run = (cwd: string, command: string, args: ReadonlyArray<string>): void => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? `${stdout}\n${stderr}`.trim()}`)
}

/** The entries that need vitest are type-checked only. */
const needsVitest = (entry: string): boolean =>
  entry.endsWith("/conformance") || ["@wmo/monitors/testing", "@wmo/policies/testing"].includes(entry)

const packages = readdirSync(join(root, "packages")).map((directory) => {
  const manifest: Manifest = JSON.parse(readFileSync(join(root, "packages", directory, "package.json"), "utf8"))
  const tarball = join(scratch, `${manifest.name.slice(1).replace("/", "-")}-${manifest.version}.tgz`)
  const entries = Object.keys(manifest.publishConfig.exports).map((key) => manifest.name + key.slice(1))
  return { tarball, entries, ...manifest }
})

/** ESM only, so what CommonJS resolution makes of it is known. */
const isOurConcern = (problem: object): boolean =>
  !("resolutionKind" in problem && (problem.resolutionKind === "node10" || problem.resolutionKind === "node16-cjs"))

const lint = async ({ name, tarball }: (typeof packages)[number]): Promise<void> => {
  const data = new Uint8Array(readFileSync(tarball))
  const { messages, pkg } = await publint({ pack: { tarball: data.slice().buffer }, strict: true })
  for (const message of messages) problems.push(`publint: ${name}: ${formatMessage(message, pkg, { color: false }) ?? message.code}`)
  const analysis = await checkPackage(createPackageFromTarballData(data))
  if (!analysis.types) return void problems.push(`attw: ${name}: it has no types`)
  for (const problem of analysis.problems.filter(isOurConcern)) problems.push(`attw: ${name}: ${JSON.stringify(problem)}`)
}

/** A project that knows nothing of this workspace: tarballs, and whatever their manifests ask for. */
const install = (project: string): void => {
  const effect = packages[0]!.peerDependencies["effect"]
  const dependencies = { effect, ...Object.fromEntries(packages.map(({ name, tarball }) => [name, `file:${tarball}`])) }
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
  const overrides = packages.map(({ name, tarball }) => `  "${name}": "file:${tarball}"`).join("\n")
  writeFileSync(join(project, "pnpm-workspace.yaml"), `overrides:\n${overrides}\nallowBuilds:\n  koffi: false\n  esbuild: false\n`)
  run(project, "pnpm", ["install", "--prefer-offline"])
}

const program = `import { Cgroups, Memcg } from "@wmo/core"
import { FakeKernel } from "@wmo/core/testing"
import { Effect } from "effect"

const kernel = new FakeKernel()
const stat = Effect.flatMap(Cgroups, (cgroups) => cgroups.read("", Memcg.memoryStat))
const { anon } = await Effect.runPromise(Effect.provide(stat, kernel.layer))
if (typeof anon !== "number") throw new Error("the fake kernel did not answer")
`

const tryOut = (project: string): void => {
  const entries = packages.flatMap((each) => each.entries)
  const imports = (names: ReadonlyArray<string>) => names.map((name) => `import ${JSON.stringify(name)}\n`).join("")
  writeFileSync(join(project, "program.ts"), imports(entries.filter((entry) => !needsVitest(entry))) + program)
  const uses = entries.map((entry, i) => `import * as entry${i} from ${JSON.stringify(entry)}\nexport { entry${i} }\n`).join("")
  writeFileSync(join(project, "types.ts"), uses)
  const options = { module: "NodeNext", strict: true, noEmit: true, skipLibCheck: true, allowImportingTsExtensions: true, types: [] }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["program.ts", "types.ts"] }))
  run(project, join(root, "node_modules/.bin/tsc"), ["-p", "."])
  run(project, process.execPath, ["program.ts"])
}

/** The command line's bundle, from somewhere else: what is not in it (koffi, WebAssembly) is found, and so is the codec thread. */
const tryBundle = (): void => {
  const wmo = join(root, "apps/cli/dist/wmo.js")
  // Else it may hang as it ends: nodejs/node issue 54918.
  const json = (...args: ReadonlyArray<string>): string => {
    const { status, stderr, stdout } = spawnSync(process.execPath, ["--single-threaded", wmo, ...args, "--json"], {
      cwd: scratch,
      encoding: "utf8"
    })
    if (status !== 0) throw new Error(`wmo ${args.join(" ")}: ${stderr.trim()}`)
    return stdout.trim()
  }
  const size = ["--region", "1M", "--active", "10ms", "--idle", "40ms", "--duration", "400ms", "--warmup", "100ms"]
  const lines = json("workload", "interactive_burst", "--on", "arena", "--compress-on", "thread", ...size).split("\n")
  const { arena, wrong_bytes: wrong } = JSON.parse(lines.at(-1)!)
  if (arena.compressed_on !== "thread" || wrong !== 0) throw new Error(`the bundle's arena: ${JSON.stringify({ arena, wrong })}`)
  const [row] = JSON.parse(json("arena", "codecs", "--codec", "lz4-wasm", "--data", "zeros", "--bytes", "64K", "--chunk", "64K"))
  if (!(row.ratio > 10)) throw new Error(`the bundle's lz4-wasm: ${JSON.stringify(row)}`)
  // Mapped memory has an address; what is there without koffi has none that is a whole page's.
  const [places] = json("workload", "interactive_burst", ...size).split("\n")
  if (!JSON.parse(places!).start.endsWith("000")) throw new Error("the bundle does not find koffi")
}

try {
  tryBundle()
  run(root, "pnpm", ["--filter", "./packages/*", "--recursive", "pack", "--pack-destination", scratch])
  for (const each of packages) await lint(each)
  const project = join(scratch, "project")
  install(project)
  tryOut(project)
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error))
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
console.log(`${packages.length} packages: publint and attw find nothing; they install, type-check and run outside the workspace`)
