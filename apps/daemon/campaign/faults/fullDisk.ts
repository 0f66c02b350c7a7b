/**
 * No room: no file of this process may grow beyond a size (RLIMIT_FSIZE by prlimit(1), EFBIG), which hits the journal, the recording and its log amid
 * whatever they write. Takes no root; the guest's campaign has a tmpfs that is really full.
 */
import { execFileSync } from "node:child_process"
import type { Fault } from "../Fault.ts"

const limitFiles = (bytes: number | "unlimited"): void => {
  execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}:unlimited`])
}

export const fullDisk: ReadonlyArray<Fault> = [
  {
    kind: "disk full",
    strike: async (stage, seeded) => {
      const when = seeded.pick(["while it runs", "while it runs", "from its start", "at its end"])
      const bytes = seeded.pick([0, 0, 100, 300, 600, 4096, 70_000, 120_000])
      if (when === "from its start") await stage.end()
      limitFiles(bytes)
      try {
        if (when === "from its start") await stage.start()
        for (let i = when === "at its end" ? 0 : seeded.whole(1, 3); i > 0; i--) {
          // New groups want new lines in the journal.
          const group = `web-${i}`
          if (!stage.groups.includes(group)) stage.addGroup(group)
          await stage.pass(seeded.whole(2, 20))
          if (seeded.chance(0.3)) await stage.ask((client) => client.Pause())
          await stage.ask((client) => client.Resume())
        }
        if (seeded.chance(0.25)) {
          // What copies the directories is not what is short of room.
          limitFiles("unlimited")
          await stage.kill()
        } else if (when === "at its end") await stage.end()
      } finally {
        limitFiles("unlimited")
      }
    }
  }
]
