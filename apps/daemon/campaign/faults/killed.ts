/** `kill -9` just before or after any operation on the kernel's files: while it runs, starts, ends, or undoes what the one before left. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Fault } from "../Fault.ts"
import type { FaultyFs } from "../FaultyFs.ts"
import type { Stage } from "../Stage.ts"
import type { Seeded } from "../seeded.ts"

/** Dies at an operation soon. Gives what says whether it has. */
const dieSoon = (stage: Stage, fs: FaultyFs, seeded: Seeded, most: number, writesOnly = false): (() => boolean) => {
  let left = seeded.whole(1, most)
  fs.before = (operation) => {
    if ((writesOnly && operation !== "write") || --left > 0) return
    fs.before = undefined
    stage.cut()
  }
  return () => fs.isDead
}

const finish = async (stage: Stage, isDead: () => boolean): Promise<void> => {
  if (!isDead() && stage.hasEnded) return
  if (!isDead()) stage.cut()
  await stage.bury()
}

const whileRunning = async (stage: Stage, seeded: Seeded): Promise<void> => {
  const isDead = dieSoon(stage, stage.fs, seeded, seeded.pick([20, 200, 1000]), seeded.chance(0.3))
  for (let i = 0; i < 40 && !isDead(); i++) await stage.pass(1)
  await finish(stage, isDead)
}

const whileStarting = async (stage: Stage, seeded: Seeded): Promise<void> => {
  let isDead = () => false
  stage.begin((fs) => (isDead = dieSoon(stage, fs, seeded, 60)))
  await stage.until(() => isDead() || stage.hasEnded || stage.isUp)
  for (let i = 0; i < 5 && !isDead() && !stage.hasEnded; i++) await stage.pass(1)
  await finish(stage, isDead)
}

const whileEnding = async (stage: Stage, seeded: Seeded): Promise<void> => {
  const isDead = dieSoon(stage, stage.fs, seeded, 30)
  stage.terminate()
  await stage.until(() => isDead() || stage.hasEnded)
  await finish(stage, isDead)
}

/** A power cut, or a kill amid a write: the journal's last line is torn. */
const tear = (stage: Stage, seeded: Seeded): void => {
  const state = stage.place("state")
  for (const name of existsSync(state) ? readdirSync(state) : []) {
    const text = readFileSync(join(state, name), "utf8")
    writeFileSync(join(state, name), text + text.trimEnd().split("\n").at(-1)!.slice(0, seeded.whole(1, 40)))
  }
}

export const killed: ReadonlyArray<Fault> = [
  { kind: "kill -9 while it runs", strike: whileRunning },
  {
    kind: "kill -9 while it starts",
    strike: async (stage, seeded) => {
      await whileRunning(stage, seeded)
      for (let i = seeded.whole(1, 3); i > 0; i--) await whileStarting(stage, seeded)
    }
  },
  { kind: "kill -9 while it ends", strike: whileEnding },
  {
    kind: "kill -9 amid a line of the journal",
    strike: async (stage, seeded) => {
      await whileRunning(stage, seeded)
      tear(stage, seeded)
    }
  }
]
