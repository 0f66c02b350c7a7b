/** The examples, and the README's, as programs of their own. */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { loadMemory } from "../src/index.ts"

const cwd = join(import.meta.dirname, "..")
const node = async (...args: ReadonlyArray<string>): Promise<string> => {
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, encoding: "utf8" })
  return stdout
}
const { kind } = await loadMemory()

describe.concurrent("examples", () => {
  it("the README's compresses what is idle, and has it back", async () => {
    const code = /```ts\n([^]*?)```/.exec(readFileSync(join(cwd, "README.md"), "utf8"))![1]!
    const [held, reason, name] = (await node("--input-type=module-typescript", "--eval", code)).trim().split("\n")
    expect(held).toMatch(/^\d+ bytes, held \d+\.\d times smaller, \d+ chunks compressed$/)
    expect(reason).toMatch(/^\d+ chunks idle for \d+ ms compressed$/)
    expect(name).toBe("Ada")
  })

  it("jsonCache gives right answers while what it holds falls", async () => {
    const out = await node("examples/jsonCache.ts", "48", "2")
    const rows = out.split("\n").filter((line) => /^ +\d+ /.test(line))
    expect(rows).toHaveLength(3)
    expect(out).toContain("0 wrong answers")
    const mibOf = (row: string): number => Number(/([\d.]+) MiB/.exec(row)![1])
    // Half of the documents at least; buffers are given back whenever the garbage collector comes to it.
    if (kind === "mmap") expect(mibOf(rows[0]!) - mibOf(rows[2]!)).toBeGreaterThan(16)
  })
})
