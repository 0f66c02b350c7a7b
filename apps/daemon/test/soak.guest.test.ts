/**
 * The soak in short, as root in the VM's guest: groups that live at random, no error in the log, nothing left. Too short for slopes: `npx -y pnpm@12 soak`
 * is the ten minutes.
 */
import "../../../tooling/inGuest.ts"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { freshDirectory, runSoak } from "../campaign/guest/runSoak.ts"

describe("wmod on this kernel", () => {
  it("looks after groups that start, fork, stop and are killed at random, and leaves nothing", async () => {
    const directory = freshDirectory(join(tmpdir(), "wmod-soak-test"))
    const { lines, problems } = await runSoak({
      minutes: 0.5,
      seed: 1,
      directory,
      lifeSeconds: [3, 15],
      rssSlopeAtMost: Infinity,
      descriptorSlopeAtMost: Infinity
    })
    console.log(lines.join("\n"))
    assert.deepStrictEqual(problems, [])
    assert.match(lines.join("\n"), /^ticks: [1-9]/m)
  })
})
