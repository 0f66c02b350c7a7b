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
