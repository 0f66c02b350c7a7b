import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { renderVmError, VmError, vmError, vmExitCode } from "../src/vm/VmError.ts"
import { defaultVmOptions, parseVmOptions, type VmOptionTexts } from "../src/vm/VmOptions.ts"

const bad: ReadonlyArray<readonly [VmOptionTexts, RegExp]> = [
  [{ memory: "2X" }, /--memory.*is not a size/],
  [{ memory: "16M" }, /--memory.*at least 256M/],
  [{ cpus: "-2" }, /--cpus.*1 to 64/],
  [{ cpus: "1.5" }, /--cpus.*1 to 64/],
  [{ zswap: "gzip" }, /--zswap.*lz4.*off/],
  [{ swap: "disk:1G" }, /--swap.*zram:SIZE/],
  [{ swap: "zram:much" }, /--swap.*is not a size/],
  [{ swap: "zram:1K" }, /--swap.*at least 1M/],
  [{ thp: "sometimes" }, /--thp.*always, madvise, never/],
  [{ icount: "auto" }, /--icount.*0 to 9/],
  [{ timeout: "10" }, /--timeout.*is not a duration/],
  [{ timeout: "0s" }, /--timeout.*more than nothing/],
  [{ kernelSeries: "new" }, /--kernel-series.*6\.12/],
  [{ env: ["1A=x"] }, /--env.*NAME=VALUE/],
  [{ env: ["A"] }, /--env.*NAME=VALUE/]
]

describe("the options of a VM", () => {
  it("default to a machine with zswap on zram", () => {
    assert.deepStrictEqual(Result.getOrThrow(parseVmOptions({})), defaultVmOptions)
  })

  it("read as people write them", () => {
    const options = Result.getOrThrow(
      parseVmOptions({ memory: "1.5GiB", cpus: "4", zswap: "off", swap: "zram:512M", thp: "never", timeout: "5m", env: ["A=", "B=x=\ny"] })
    )
    assert.strictEqual(options.memory, 1.5 * 2 ** 30)
    assert.strictEqual(options.cpus, 4)
    assert.isUndefined(options.zswap)
    assert.deepStrictEqual(options.swap, { kind: "zram", size: 512 * 2 ** 20 })
    assert.strictEqual(options.thp, "never")
    assert.strictEqual(options.timeout, 300_000)
    assert.deepStrictEqual(options.env, { A: "", B: "x=\ny" })
  })

  it.each(bad)("%j is a usage error that names the option", (texts, message) => {
    const parsed = parseVmOptions(texts)
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) {
      assert.match(parsed.failure.message, message)
      assert.strictEqual(vmExitCode(parsed.failure), 2)
    }
  })
})

describe("VmError", () => {
  it("ends a command with the code that fits", () => {
    assert.strictEqual(vmExitCode(vmError("NotInstalled", "")), 3)
    assert.strictEqual(vmExitCode(vmError("CommandNotFound", "")), 127)
    assert.strictEqual(vmExitCode(vmError("Timeout", "")), 1)
    assert.strictEqual(vmExitCode(new VmError({ reason: "OutOfMemory", message: "", consoleTail: [], exitCode: 137 })), 137)
  })

  it("prints its console lines under its own", () => {
    const error = new VmError({ reason: "Panic", message: "the guest kernel panicked: why", consoleTail: ["one", "two"] })
    assert.strictEqual(renderVmError(error), "the guest kernel panicked: why\n  console: one\n  console: two")
  })
})
