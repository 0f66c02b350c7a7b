/**
 * Programs that workloads need besides wmo: guests run what this machine has, so they are looked for, and on Debian installed, here. The package's
 * service is not started.
 */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import { findProgram, runTool, toolPath } from "../vm/Tools.ts"
import { vmError, type VmError } from "../vm/VmError.ts"
import type { LeagueWorkload } from "./workloads.ts"

interface Needed {
  readonly program: string
  /** Of Debian. */
  readonly package: string
}

const needs: Readonly<Record<string, ReadonlyArray<Needed>>> = {
  redis: [{ program: "redis-server", package: "redis-server" }],
  compile: [
    { program: "make", package: "make" },
    { program: "cc", package: "gcc" }
  ]
}

/** What these workloads need that is not on `path`; a program that is named by a flag is the user's. */
export const missingPrograms = (workloads: ReadonlyArray<LeagueWorkload>, path = toolPath()): ReadonlyArray<Needed> =>
  workloads
    .flatMap(({ args: [kind = "", ...args] }) => (args.some((word) => /^--(?:server|compiler)/.test(word)) ? [] : (needs[kind] ?? [])))
    .filter(({ program }, index, all) => all.findIndex((each) => each.program === program) === index)
    .filter(({ program }) => findProgram(program, path) === undefined)

const aptInstall = (packages: ReadonlyArray<string>): ReadonlyArray<string> => [
  "install",
  "--yes",
  "-qq",
  "--no-install-recommends",
  ...packages
]

/** Checks them, and with `install` fetches what is missing (Debian, root). */
export const requirePrograms = Effect.fnUntraced(function* (
  workloads: ReadonlyArray<LeagueWorkload>,
  install: boolean,
  onInstall: (packages: string) => void
): Effect.fn.Return<void, VmError> {
  const missing = missingPrograms(workloads)
  if (missing.length === 0) return
  const packages = missing.map((each) => each.package)
  const command = `apt-get install --no-install-recommends ${packages.join(" ")}`
  const what = `${missing.map(({ program }) => program).join(", ")} not found`
  if (!install) return yield* vmError("NotInstalled", `${what}: run \`${command}\`, or give --install`)
  if (!existsSync("/etc/debian_version") || process.getuid?.() !== 0)
    return yield* vmError("Unsupported", `${what}: --install takes Debian and root; install it with this system's package manager`)
  onInstall(packages.join(", "))
  // Runlevel 1: a package's service is not started.
  const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" }
  const attempt = runTool("apt-get", aptInstall(packages), { env })
  yield* attempt.pipe(Effect.catch(() => Effect.andThen(runTool("apt-get", ["update", "-qq"]), attempt)))
})
