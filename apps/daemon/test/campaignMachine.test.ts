/** The fault campaign in short, what the kernel, the clock and the disk do: each kind once, on the fake kernel. `npx -y pnpm@12 campaign` is the whole, `campaign.guest.test.ts` the real kernel's. */
import { existsSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { ofTheMachine } from "../campaign/faults/all.ts"
import { strikeOnce } from "../campaign/runCampaign.ts"

// How fast a disk syncs is not what is tried.
if (existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm"

describe("wmod survives", () => {
  it.each(ofTheMachine.map((fault) => [fault.kind, fault] as const))("%s", async (_, fault) => {
    const { log, problems } = await strikeOnce(fault, 1)
    assert.deepStrictEqual(problems, [], log.join("\n"))
  })
})

describe("what the kernel did not take back", () => {
  it("is put back as soon as it does, while wmod is paused (regression: it stayed until wmod's end)", async () => {
    const seen: Array<string | undefined> = []
    const web = "/sys/fs/cgroup/web/memory.high"
    const { problems } = await strikeOnce(
      {
        kind: "pause while the kernel says EIO",
        strike: async (stage) => {
          stage.fs.faults = [{ operations: ["write"], path: /memory\.high$/, errno: "EIO", probability: 1 }]
          await stage.ask((client) => client.Pause())
          seen.push(stage.settings().get(web) === "max" ? "max" : "set")
          stage.fs.faults = []
          await stage.pass(12)
          seen.push(stage.settings().get(web))
          await stage.ask((client) => client.Resume())
        }
      },
      1
    )
    assert.deepStrictEqual([problems, seen], [[], ["set", "max"]])
  })
})
