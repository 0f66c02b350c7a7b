/** The configuration becomes garbage, is half written, is gone or is a directory, and is reloaded; then it is good again. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { Fault } from "../Fault.ts"
import type { Seeded } from "../seeded.ts"

const garbled = (good: string, seeded: Seeded): string | Uint8Array => {
  const bytes = Buffer.from(good)
  switch (seeded.pick(["random", "cut", "flipped", "empty", "deep", "aliases", "long", "keys"])) {
    case "random":
      return seeded.bytes(seeded.whole(1, 4000))
    case "cut":
      return good.slice(0, seeded.whole(0, good.length))
    case "flipped":
      for (let i = seeded.whole(1, 20); i > 0; i--) bytes[seeded.whole(0, bytes.length - 1)] = seeded.whole(0, 255)
      return bytes
    case "empty":
      return ""
    case "deep":
      return `${"[".repeat(seeded.whole(100, 20_000))}`
    case "aliases":
      return `a: &a [x, x, x, x]\n${"bcdefgh"
        .split("")
        .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefg"[i]}`).join(", ")}]\n`)
        .join("")}`
    case "long":
      return `rules: [${"{ match: x }, ".repeat(20_000)}]`
    default:
      return `rules: [{ match: web, policy: ${seeded.pick(["nothing", "7", "[]", "!!js/function x", "__proto__"])} }]\n__proto__: { x: 1 }\nevery: ${seeded.pick(["-1s", "1e99s", "0", ".inf", "NaN"])}`
  }
}

export const configurations: ReadonlyArray<Fault> = [
  {
    kind: "configuration is garbage",
    strike: async (stage, seeded) => {
      const file = stage.place("wmod.yaml")
      const good = readFileSync(file, "utf8")
      for (let i = seeded.whole(1, 4); i > 0; i--) {
        rmSync(file, { recursive: true, force: true })
        const how = seeded.pick(["garbled", "garbled", "garbled", "gone", "directory"])
        if (how === "garbled") writeFileSync(file, garbled(good, seeded))
        if (how === "directory") mkdirSync(file)
        if (seeded.chance(0.5)) stage.reload()
        else await stage.ask((client) => client.Reload())
        await stage.pass(seeded.whole(0, 3))
      }
      rmSync(file, { recursive: true, force: true })
      writeFileSync(file, good)
      await stage.ask((client) => client.Reload())
    }
  }
]
