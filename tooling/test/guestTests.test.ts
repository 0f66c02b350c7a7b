/** Guest tests change the kernel they run on: each must refuse any machine but the lab's guests, before it imports anything that acts. */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { describe, expect, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")
const files = globSync("{packages,apps}/*/test/**/*.guest.test.ts", { cwd: root })

describe("guest tests", () => {
  it("are there", () => expect(files.length).toBeGreaterThan(10))

  it.each(files)("%s looks first whether it is in a guest", (file) => {
    const [first] = /^import .*$/m.exec(readFileSync(join(root, file), "utf8")) ?? []
    const name = /^import "(.+)"$/.exec(first ?? "")?.[1] ?? ""
    expect(resolve(root, dirname(file), name)).toBe(join(root, "tooling/inGuest.ts"))
  })

  it("refuse this machine", async () => {
    await expect(import("../inGuest.ts")).rejects.toThrow("run them in the VM lab")
  })
})
