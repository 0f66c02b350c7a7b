import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { fails, freshFile, wmo } from "./harness.ts"

const demo = ["demo", "--duration", "60s"]

/** What does not depend on when it ran. */
const figures = (stdout: string) => JSON.parse(stdout).map((summary: Record<string, unknown>) => ({ ...summary, started_ms: 0 }))

describe("wmo demo", () => {
  it.live("prints its table on stdout, its progress on stderr, and keeps the recording", () =>
    Effect.gen(function* () {
      const file = freshFile()
      const { code, stderr, stdout } = yield* wmo([...demo, "--record", file])
      assert.strictEqual(code, 0, stderr)
      for (const word of [
        "policy",
        "none",
        "periodic",
        "senpai",
        "slo",
        "At best, with all of the run known",
        `The recording is ${file}`,
        "wmo doctor"
      ])
        assert.include(stdout, word)
      assert.include(stderr, "on the simulated kernel, 60 s under each policy")
      assert.notInclude(stdout, "on the simulated kernel,")
      const summary = yield* wmo(["recording", "summary", file, "--json"])
      assert.strictEqual(JSON.parse(summary.stdout).length, 4)
    })
  )

  it.live("--json gives the same figures for the same seed, over a recording that it replaces, and others for another", () =>
    Effect.gen(function* () {
      const file = freshFile()
      const run = (seed: number) =>
        Effect.map(wmo([...demo, "--json", "--record", file, "--seed", String(seed)]), ({ stdout }) => figures(stdout))
      const first = yield* run(3)
      assert.deepStrictEqual(
        first.map(({ policy }: { policy: string }) => policy),
        ["none", "periodic", "senpai", "slo"]
      )
      assert.deepStrictEqual(yield* run(3), first)
      assert.notDeepEqual(yield* run(4), first)
    })
  )

  it.live("does not replace what is not its own recording (regression: any file was deleted)", () =>
    Effect.gen(function* () {
      const file = freshFile()
      writeFileSync(file, "mine\n")
      yield* fails([...demo, "--record", file], 2, /exists and is not a recording of the demo; choose another with --record$/)
      assert.strictEqual(readFileSync(file, "utf8"), "mine\n")
    })
  )

  it.live("a directory that is not there", () =>
    Effect.gen(function* () {
      const { code, complaints } = yield* wmo([...demo, "--record", "/no/where/demo.wmo"])
      assert.strictEqual(code, 1)
      assert.match(complaints.join("\n"), /^wmo: cannot create recording \/no\/where\/demo\.wmo: there is no directory/)
      assert.isFalse(existsSync("/no"))
    })
  )
})
