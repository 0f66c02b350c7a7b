/** The processes that run jobs of a comparison: real ones, of the command line's own source. */
import { assert, describe, it } from "@effect/vitest"
import type { Job } from "@wmo/lab"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeSimWorkers } from "../src/simWorkers.ts"
import { freshFile } from "./harness.ts"

const program = join(import.meta.dirname, "../src/main.ts")
const job: Job = {
  kind: "policy",
  workload: "fork-exit-storm",
  seed: 1,
  durationMs: 30_000,
  learningMs: 10_000,
  policy: { name: "none", settings: {} }
}

describe("workers of wmo sim compare", () => {
  it.live("run jobs side by side, use a process again, tell how far they are, and say why a job failed", () =>
    Effect.gen(function* () {
      const run = yield* makeSimWorkers(program)
      const shares: Array<number> = []
      const [first, second, failed] = yield* Effect.all(
        [
          run(job, (share) => void shares.push(share)),
          run({ ...job, seed: 2 }, () => {}),
          Effect.flip(run({ ...job, policy: { name: "nix", settings: {} } }, () => {}))
        ],
        { concurrency: 2 }
      )
      assert.isAbove(shares.length, 10)
      assert.strictEqual(first.measured.seconds, 19)
      assert.strictEqual(second.measured.refaults, 0)
      assert.match(failed.message, /^there is no policy "nix"/)
    }).pipe(Effect.scoped)
  )

  it.live("one that dies fails its job alone", () =>
    Effect.gen(function* () {
      const dies = freshFile()
      writeFileSync(dies, "process.kill(process.pid, 'SIGKILL')")
      const run = yield* makeSimWorkers(dies)
      assert.strictEqual((yield* Effect.flip(run(job, () => {}))).message, "the run's process ended (SIGKILL)")
    }).pipe(Effect.scoped)
  )
})
