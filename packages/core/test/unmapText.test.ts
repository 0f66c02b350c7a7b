import { readFileSync } from "node:fs"
import { platform } from "node:process"
import { assert, describe, it } from "vitest"
import { unmapText } from "../src/index.ts"

const residentOfFilesKib = (): number => Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1])

describe("the program's own text", () => {
  it.skipIf(platform !== "linux")("goes out of memory, and comes back as it is used", () => {
    const before = residentOfFilesKib()
    assert.isAbove(unmapText(), 2 ** 20)
    assert.isBelow(residentOfFilesKib(), before - 1024)
    assert.deepStrictEqual(JSON.parse(JSON.stringify({ still: ["works"] })), { still: ["works"] })
  })
})
