import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { GuestConsole } from "../src/vm/GuestConsole.ts"
import { inputFrames, MarkerScanner, parseControlLine } from "../src/vm/GuestProtocol.ts"

const consoleOf = (text: string): GuestConsole => {
  const console = new GuestConsole()
  console.push(Buffer.from(text))
  return console
}

describe("the end marker", () => {
  it.effect.prop("is found wherever the stream is cut", [Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 }))], ([size]) =>
    Effect.sync(() => {
      const marker = "\u0001end-aab\u0002"
      const text = `output \u0001end-a \u0001\u0001end-aa${marker}after`
      const scanner = new MarkerScanner(marker)
      let shown = ""
      for (let at = 0; at < text.length && !scanner.found; at += size)
        shown += scanner.push(Buffer.from(text.slice(at, at + size))).before.toString()
      assert.isTrue(scanner.found)
      assert.strictEqual(shown, text.slice(0, text.indexOf(marker)))
    })
  )

  it("does not hold back what cannot be its beginning", () => {
    const scanner = new MarkerScanner("\u0001end\u0002")
    assert.strictEqual(scanner.push(Buffer.from("prompt> ")).before.toString(), "prompt> ")
    assert.strictEqual(scanner.push(Buffer.from("x\u0001en")).before.toString(), "x")
    assert.strictEqual(scanner.flush().toString(), "\u0001en")
  })
})

describe("frames of input", () => {
  it("carry any bytes, with their length before them", () => {
    const data = Buffer.alloc(100_000, 0x0a)
    const joined = Buffer.concat(inputFrames(data))
    assert.strictEqual(joined.toString("latin1", 0, 6), "65536\n")
    assert.strictEqual(joined.length, data.length + "65536\n".length + "34464\n".length)
  })
})

describe("control lines", () => {
  it("are run, exit with a code, or unknown", () => {
    assert.deepStrictEqual(parseControlLine("run"), { kind: "run" })
    assert.deepStrictEqual(parseControlLine("exit 137"), { kind: "exit", code: 137 })
    assert.deepStrictEqual(parseControlLine("exit"), { kind: "unknown", line: "exit" })
  })
})

describe("the guest's console", () => {
  it("gives its last lines without escapes and blank ones", () => {
    assert.deepStrictEqual(consoleOf("\x1bc\x1b[?7l\x1b[2JSeaBIOS\r\n\r\none\r\ntwo").tail(2), ["one", "two"])
  })

  it("finds the reason of a panic", () => {
    const console = consoleOf("boot\r\n[    3.1] Kernel panic - not syncing: sysrq triggered crash\r\n[    3.2] CPU: 0\r\n")
    assert.strictEqual(console.panic(), "sysrq triggered crash")
    assert.strictEqual(console.panicLines().length, 2)
  })

  it("finds a process that the OOM killer ended, but not one that a cgroup's limit ended", () => {
    const line = "Killed process 194 (redis server) total-vm:1kB, anon-rss:1kB"
    assert.deepStrictEqual(consoleOf(`[   9.1] Out of memory: ${line}\r\n`).oomKill(), { pid: 194, name: "redis server" })
    assert.isUndefined(consoleOf(`[   9.1] Memory cgroup out of memory: ${line}\r\n`).oomKill())
  })

  it("calls Node's main thread node", () => {
    assert.strictEqual(consoleOf("Out of memory: Killed process 7 (MainThread) total-vm:1kB").oomKill()?.name, "node")
  })

  it("finds the guest's own complaint", () => {
    assert.strictEqual(consoleOf("x\r\nwmo-vm: fail: zswap does not come on\r\n").complaint(), "zswap does not come on")
  })
})
