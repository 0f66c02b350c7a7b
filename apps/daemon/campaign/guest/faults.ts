/**
 * Faults that take a real kernel and real processes: what is done to a wmod that looks after real groups. Each is over when it returns; whether wmod lives
 * then is for whoever called to see.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Seeded } from "../seeded.ts"
import { babble } from "../babble.ts"
import type { GuestStage } from "./GuestStage.ts"
import { removeGroup } from "./workload.ts"
import { journalsIn } from "./WmodProcess.ts"

export interface GuestFault {
  readonly kind: string
  readonly strike: (stage: GuestStage, seeded: Seeded) => Promise<void>
}

const recordingFiles = (stage: GuestStage): ReadonlyArray<string> => {
  const { recordings } = stage.places
  return existsSync(recordings) ? readdirSync(recordings).map((name) => join(recordings, name)) : []
}

/** A file as large as what is left of the small tmpfs. */
const fill = (stage: GuestStage): string => {
  const file = join(stage.directory, "ballast")
  try {
    execFileSync("dd", ["if=/dev/zero", `of=${file}`, "bs=4k"], { stdio: "ignore" })
  } catch {
    // dd ends with "no space left", which is what was wanted.
  }
  return file
}

export const guestFaults: ReadonlyArray<GuestFault> = [
  {
    kind: "kill -9 while it runs",
    strike: async ({ wmod }, seeded) => {
      await sleep(seeded.between(0, 3000))
      wmod.signal("SIGKILL")
      await wmod.ended
    }
  },
  {
    kind: "kill -9 while it starts",
    strike: async (stage, seeded) => {
      stage.wmod.signal("SIGKILL")
      await stage.wmod.ended
      const next = stage.startWmod()
      await Promise.race([next.isUp(), sleep(seeded.between(300, 6000))])
      next.signal("SIGKILL")
      await next.ended
    }
  },
  {
    kind: "kill -9 while it ends",
    strike: async ({ wmod }, seeded) => {
      wmod.signal("SIGTERM")
      await sleep(seeded.between(0, 150))
      wmod.signal("SIGKILL")
      await wmod.ended
    }
  },
  {
    kind: "SIGTERM while it starts, and again while it ends",
    strike: async (stage, seeded) => {
      await stage.wmod.end()
      const next = stage.startWmod()
      await Promise.race([next.isUp(), sleep(seeded.between(300, 6000))])
      for (let i = seeded.whole(1, 5); i > 0; i--) {
        next.signal("SIGTERM")
        await sleep(seeded.between(0, 50))
      }
      await next.end()
    }
  },
  {
    kind: "groups are killed and removed",
    strike: async (stage, seeded) => {
      for (let i = seeded.whole(1, 3); i > 0; i--) {
        const group = seeded.pick(stage.groups)
        await sleep(seeded.between(0, 700))
        await removeGroup(group)
        if (seeded.chance(0.5)) await sleep(seeded.between(0, 1000))
        await stage.occupy(group)
      }
    }
  },
  {
    kind: "disk full",
    strike: async (stage, seeded) => {
      const ballast = fill(stage)
      await sleep(seeded.between(500, 2500))
      if (seeded.chance(0.5)) await stage.occupyAgain(seeded.pick(stage.groups))
      if (seeded.chance(0.3)) stage.wmod.signal("SIGKILL")
      await sleep(seeded.between(0, 1000))
      rmSync(ballast, { force: true })
    }
  },
  {
    kind: "journal damaged after a kill",
    strike: async (stage, seeded) => {
      stage.wmod.signal("SIGKILL")
      await stage.wmod.ended
      for (const name of journalsIn(stage.places.state)) {
        const file = join(stage.places.state, name)
        const bytes = readFileSync(file)
        const firstLine = bytes.indexOf(10)
        // All but what says how settings were.
        writeFileSync(
          file,
          seeded.pick([
            () => Buffer.concat([bytes, seeded.bytes(seeded.whole(1, 500))]),
            () => Buffer.concat([bytes, Buffer.alloc(4096)]),
            () => Buffer.concat([seeded.bytes(firstLine).map((byte) => (byte === 10 ? 0 : byte)), bytes.subarray(firstLine)])
          ])()
        )
      }
    }
  },
  {
    kind: "journal removed while it runs",
    strike: async (stage, seeded) => {
      for (const name of journalsIn(stage.places.state)) rmSync(join(stage.places.state, name))
      await sleep(seeded.between(500, 1500))
    }
  },
  {
    kind: "recording damaged while it is written",
    strike: async (stage, seeded) => {
      for (const file of recordingFiles(stage)) {
        stage.spoilt.add(file)
        const how = seeded.pick(["cut", "moved", "removed", "shared memory cut"])
        if (how === "cut") truncateSync(file, seeded.whole(0, 4096))
        if (how === "moved") renameSync(file, `${file}.elsewhere`)
        if (how === "removed") rmSync(file)
        // SQLite's map of its log: whoever has it mapped gets SIGBUS, and is started again.
        if (how === "shared memory cut" && file.endsWith("-shm")) truncateSync(file, 0)
      }
      await sleep(seeded.between(500, 2000))
    }
  },
  {
    kind: "socket flood",
    strike: async (stage, seeded) => {
      const request = Buffer.from('{"_tag":"Request","id":"1","tag":"Status","payload":null,"headers":[]}\n')
      const said = () => seeded.pick([request, seeded.bytes(seeded.whole(1, 2000)), request.subarray(0, 30), Buffer.alloc(2 ** 20, "x")])
      await Promise.all(
        Array.from({ length: seeded.whole(20, 1500) }, () => babble(() => connect(stage.places.socket), said(), seeded.between(1, 300)))
      )
    }
  },
  {
    kind: "SIGHUP storm, with garbage in between",
    strike: async (stage, seeded) => {
      const good = readFileSync(stage.places.config)
      for (let i = seeded.whole(5, 60); i > 0; i--) {
        writeFileSync(stage.places.config, seeded.chance(0.5) ? good : seeded.bytes(200))
        stage.wmod.signal("SIGHUP")
        if (seeded.chance(0.2)) await sleep(seeded.between(0, 100))
      }
      writeFileSync(stage.places.config, good)
      stage.wmod.signal("SIGHUP")
      await sleep(500)
    }
  },
  {
    kind: "policy fails outside of its answer",
    strike: async (stage, seeded) => {
      const body = seeded.pick([
        `setTimeout(() => { throw new Error("later") }, 50); return { actions: [], reason: "x", state }`,
        `Promise.reject(new Error("nobody waits")); return { actions: [], reason: "x", state }`,
        `return (async () => { throw new Error("async") })()`,
        `process.emit("SIGHUP"); return { actions: [], reason: "x", state }`
      ])
      const policy = `export default { name: "odd", summary: "Odd.", source: "a fault", settings: {}, needs: [], initialState: 0, decide: (input, state) => { ${body} } }`
      writeFileSync(join(stage.directory, "odd.mjs"), policy)
      stage.configure("policies: [./odd.mjs]", `{ match: ${stage.groups[0]}, policy: odd }`)
      stage.wmod.signal("SIGHUP")
      await sleep(seeded.between(1500, 4000))
      stage.configure()
      stage.wmod.signal("SIGHUP")
      await sleep(500)
    }
  }
]
