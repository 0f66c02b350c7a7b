/**
 * Faults on a real kernel in short, as root in the VM's guest; `npx -y pnpm@12 campaign --vm` is the long form. The bundles are used, since a start is
 * seconds under emulation.
 */
import "../../../tooling/inGuest.ts"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { runGuestCampaign } from "../campaign/guest/runGuestCampaign.ts"

const survives = async (only: string): Promise<void> => {
  const results = await runGuestCampaign({ faults: 1, seed: 1, only, directory: mkdtempSync(join(tmpdir(), "wmod-faults-")) })
  assert.lengthOf(results, 1)
  assert.deepStrictEqual(results[0]!.problems, [])
}

describe("wmod on this kernel survives", () => {
  it.each(["kill -9 while it runs", "disk full", "journal damaged after a kill", "policy fails outside of its answer"])("%s", survives)
})
