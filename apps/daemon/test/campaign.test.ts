/** The fault campaign in short, what people and programs do: each kind once, on the fake kernel. `npx -y pnpm@12 campaign` is the whole, `campaign.guest.test.ts` the real kernel's. */
import { existsSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { ofPeople } from "../campaign/faults/all.ts"
import { strikeOnce, summaryOf } from "../campaign/runCampaign.ts"

// How fast a disk syncs is not what is tried.
if (existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm"

describe("wmod survives", () => {
  it.each(ofPeople.map((fault) => [fault.kind, fault] as const))("%s", async (_, fault) => {
    const { log, problems } = await strikeOnce(fault, 1)
    assert.deepStrictEqual(problems, [], log.join("\n"))
  })
})

describe("the campaign", () => {
  it("finds a daemon that leaves a limit behind, and says so", async () => {
    const { problems } = await strikeOnce(
      {
        kind: "a setting that nobody puts back",
        strike: async (stage) => {
          const { fs } = stage.kernel
          const fd = fs.openSync("/sys/fs/cgroup/idle/memory.high", 1)
          fs.writeSync(fd, new TextEncoder().encode("1048576"))
          fs.closeSync(fd)
        }
      },
      1
    )
    assert.deepStrictEqual(problems, ["/sys/fs/cgroup/idle/memory.high: was max, is 1048576"])
  })

  it("sums up by kind, with what was survived", () => {
    const result = { seed: 1, restarts: 0, log: [], problems: [] }
    assert.deepStrictEqual(
      summaryOf([
        { ...result, kind: "a", restarts: 2 },
        { ...result, kind: "b", problems: ["x"] },
        { ...result, kind: "a" }
      ]),
      ["   2 of 2  a, started again 2 times", "   0 of 1  b", "survived 2 of 3 faults"]
    )
  })
})
