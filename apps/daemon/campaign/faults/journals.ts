/**
 * A journal that is damaged: after a kill, so that the next start must undo by what is left of it and of its copy, or under a wmod that runs. One of the two
 * files is damaged at a time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Fault } from "../Fault.ts"
import type { Seeded } from "../seeded.ts"
import type { Stage } from "../Stage.ts"

const journalsOf = (stage: Stage): ReadonlyArray<string> => {
  const state = stage.place("state")
  const names = existsSync(state) ? readdirSync(state) : []
  return names.filter((name) => name.endsWith(".jsonl")).map((name) => join(state, name))
}

const damages: Readonly<Record<string, (bytes: Buffer, seeded: Seeded) => Buffer>> = {
  "garbage at its end": (bytes, seeded) => Buffer.concat([bytes, seeded.bytes(seeded.whole(1, 2000))]),
  "zeros at its end": (bytes, seeded) => Buffer.concat([bytes, Buffer.alloc(seeded.whole(1, 4096))]),
  "its first line is garbled": (bytes, seeded) => {
    const end = bytes.indexOf(10)
    const start = seeded.whole(0, end - 1)
    return Buffer.concat([bytes.subarray(0, start), seeded.bytes(end - start).map((byte) => (byte === 10 ? 0 : byte)), bytes.subarray(end)])
  },
  "its lines are there twice": (bytes) => Buffer.concat([bytes, bytes]),
  "lines that mean nothing": (bytes) =>
    Buffer.concat([bytes, Buffer.from('null\n7\n{}\n{"kind":"write"}\n{"kind":"mkdir","path":7}\n[[]]\n')]),
  "cut off": (bytes, seeded) => bytes.subarray(0, seeded.whole(0, bytes.length)),
  "bytes are flipped": (bytes, seeded) => {
    for (let i = seeded.whole(1, 10); i > 0; i--) bytes[seeded.whole(0, bytes.length - 1)] = seeded.whole(0, 255)
    return bytes
  },
  "all zeros": (bytes) => Buffer.alloc(bytes.length)
}

const damage = (stage: Stage, seeded: Seeded): void => {
  for (const file of journalsOf(stage)) {
    const damaged = seeded.chance(0.5) ? file : `${file}.copy`
    if (seeded.chance(0.1)) rmSync(damaged)
    else writeFileSync(damaged, damages[seeded.pick(Object.keys(damages))]!(readFileSync(damaged), seeded))
  }
}

export const journals: ReadonlyArray<Fault> = [
  {
    kind: "journal damaged after a kill",
    strike: async (stage, seeded) => {
      await stage.pass(seeded.whole(0, 10))
      await stage.kill()
      damage(stage, seeded)
    }
  },
  {
    kind: "journal damaged while it runs",
    strike: async (stage, seeded) => {
      for (const file of journalsOf(stage)) {
        const how = seeded.pick(["removed", "emptied", "garbled", "directory removed"])
        if (how === "removed") rmSync(file)
        if (how === "emptied") writeFileSync(file, "")
        if (how === "garbled") writeFileSync(file, seeded.bytes(seeded.whole(1, 500)))
        if (how === "directory removed") rmSync(stage.place("state"), { recursive: true })
      }
      stage.addGroup("web-new")
      await stage.pass(seeded.whole(1, 10))
      await stage.end()
      // Its own socket went with its directory.
    }
  },
  {
    kind: "strange files where the journals are",
    strike: async (stage, seeded) => {
      await (seeded.chance(0.5) ? stage.kill() : stage.end())
      const state = stage.place("state")
      mkdirSync(state, { recursive: true, mode: 0o700 })
      const made = ["journal-1-1.jsonl", "journal-999999-1.jsonl", "journal-x.jsonl", "notes"].filter(() => seeded.chance(0.7))
      for (const name of made) {
        if (seeded.chance(0.3)) mkdirSync(join(state, name))
        else
          writeFileSync(
            join(state, name),
            seeded.pick(["", "{}\n", "garbage", `{"version":1,"pid":1,"startTime":"1","bootId":"x"}\n`, "\u0000"])
          )
      }
      await stage.keepUp()
      await stage.pass(3)
      for (const name of made) rmSync(join(state, name), { recursive: true, force: true })
    }
  }
]
