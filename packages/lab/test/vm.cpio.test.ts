import { assert, describe, it } from "@effect/vitest"
import { cpio, type CpioEntry } from "../src/vm/Cpio.ts"

interface Read {
  readonly path: string
  readonly mode: number
  readonly data: string
}

const aligned = (offset: number) => Math.ceil(offset / 4) * 4

/** An independent reader: it walks the headers by their own sizes. */
const read = (archive: Buffer): ReadonlyArray<Read> => {
  const entries: Array<Read> = []
  for (let at = 0; ;) {
    assert.strictEqual(archive.toString("latin1", at, at + 6), "070701")
    const field = (index: number) => Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16)
    const nameSize = field(11)
    const mode = field(1)
    const size = field(6)
    const path = archive.toString("utf8", at + 110, at + 110 + nameSize - 1)
    const dataAt = aligned(at + 110 + nameSize)
    at = aligned(dataAt + size)
    if (path === "TRAILER!!!") {
      assert.strictEqual(at, archive.length)
      return entries
    }
    entries.push({ path, mode, data: archive.toString("latin1", dataAt, dataAt + size) })
  }
}

describe("cpio", () => {
  it("writes directories, files and links that another reader reads back", () => {
    const entries: ReadonlyArray<CpioEntry> = [
      { kind: "directory", path: "bin" },
      { kind: "file", path: "bin/tool", data: Buffer.from("#!"), mode: 0o755 },
      { kind: "file", path: "grüße", data: Buffer.from("") },
      { kind: "link", path: "bin/sh", target: "tool" }
    ]
    assert.deepStrictEqual(read(cpio(entries)), [
      { path: "bin", mode: 0o040755, data: "" },
      { path: "bin/tool", mode: 0o100755, data: "#!" },
      { path: "grüße", mode: 0o100644, data: "" },
      { path: "bin/sh", mode: 0o120777, data: "tool" }
    ])
  })

  it("pads names and data of every length to four bytes", () => {
    const entries = Array.from({ length: 9 }, (_, length): CpioEntry => ({
      kind: "file",
      path: "x".repeat(length + 1),
      data: Buffer.alloc(length, 0x41)
    }))
    assert.deepStrictEqual(
      read(cpio(entries)).map(({ path, data }) => [path.length, data]),
      entries.map((_, length) => [length + 1, "A".repeat(length)])
    )
  })

  it("is the same for the same input", () => {
    const entries: ReadonlyArray<CpioEntry> = [{ kind: "file", path: "a", data: Buffer.from("b") }]
    assert.isTrue(cpio(entries).equals(cpio(entries)))
  })
})
