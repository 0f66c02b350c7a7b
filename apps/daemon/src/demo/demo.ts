/** What `wmod demo` does: a whole wmod on the simulated kernel, its page on loopback, its files in a temporary directory. Nothing of this machine is touched. */
import { Console, Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runUntilSignalled } from "../untilSignalled.ts"
import { version } from "../version.ts"
import { demoConfig, demoMachine, podsJson } from "./machine.ts"
import { atPace } from "./pace.ts"

export interface DemoFlags {
  /** HOST:PORT. */
  readonly http: string
  /** Simulated seconds in a real one. */
  readonly speed: number
  /** Further groups, small ones. */
  readonly groups: number
}

/** The files of a demo, until the scope closes. */
export const demoFiles = (http: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const directory = mkdtempSync(join(tmpdir(), "wmod-demo-"))
      const file = join(directory, "wmod.yaml")
      const podsFile = join(directory, "pods.json")
      writeFileSync(podsFile, podsJson())
      writeFileSync(file, demoConfig({ http, podsFile }))
      return { directory, file, stateDirectory: join(directory, "state") }
    }),
    ({ directory }) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

export const demo = Effect.fn("wmod demo")(function* ({ groups, http, speed }: DemoFlags) {
  const { file, stateDirectory } = yield* demoFiles(http)
  const simulation = demoMachine(groups)
  const options = { file, stateDirectory, version, command: "wmod demo" }
  yield* runUntilSignalled(options, ({ config }) =>
    Console.log(
      [
        `wmod ${version} on a simulated machine, ${speed} times as fast as real time; nothing of this one is touched.`,
        `The page:      http://${http}/`,
        `A terminal:    wmo status --socket ${config.socket}`,
        `Configuration: ${file}`,
        "Ctrl-C ends it."
      ].join("\n")
    )
  ).pipe(atPace(simulation, speed), Effect.provide(simulation.layer))
}, Effect.scoped)
