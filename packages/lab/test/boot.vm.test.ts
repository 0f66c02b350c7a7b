/**
 * The VM for real: needs root, QEMU, and what `wmo vm setup --install` fetches. Not part of the unit suite. About one guest a test.
 */
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Readable, Writable } from "node:stream"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { cachedKernels, defaultVmOptions, vmCache, type VmError, type VmOptions, type VmResult, vmRun } from "../src/vm/index.ts"
import { isOfSeries } from "../src/vm/KernelTree.ts"

const minutes = 60_000
const guest = join(import.meta.dirname, "vmGuest.mjs")
const child = join(import.meta.dirname, "vmChild.mjs")
const sum = (data: Buffer): string => createHash("sha256").update(data).digest("hex")

let temporary = ""
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), "vm-kernel-test-"))
  process.env["TMPDIR"] = temporary
})
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

const collector = () => {
  const pieces: Array<Buffer> = []
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece)
      done()
    }
  })
  return { stream, all: () => Buffer.concat(pieces) }
}

interface Outcome {
  readonly end: Result.Result<VmResult, VmError>
  readonly stdout: Buffer
  readonly stderr: string
}

const runVm = async (command: ReadonlyArray<string>, options: Partial<VmOptions>, input?: Buffer): Promise<Outcome> => {
  const stdout = collector()
  const stderr = collector()
  const stdin = input === undefined ? undefined : Readable.from([input.subarray(0, 1), input.subarray(1)], { objectMode: false })
  const streams = { stdin, stdout: stdout.stream, stderr: stderr.stream }
  const end = await Effect.runPromise(Effect.result(vmRun(command, { ...defaultVmOptions, ...options }, streams)))
  return { end, stdout: stdout.all(), stderr: stderr.all().toString() }
}

const reasonOf = ({ end }: Outcome): string => (Result.isFailure(end) ? end.failure.reason : `exit ${end.success.exitCode}`)
const messageOf = ({ end }: Outcome): string => (Result.isFailure(end) ? end.failure.message : "")

/** QEMU processes whose initramfs is in our temporary directory: nobody else's. */
const ourQemus = (): ReadonlyArray<string> =>
  readdirSync("/proc").filter((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8")
      return /^\d+$/.test(pid) && line.startsWith("/") && line.includes("qemu-system") && line.includes(temporary)
    } catch {
      return false
    }
  })
const leftBehind = (): ReadonlyArray<string> => readdirSync(temporary).filter((name) => name.startsWith("wmo-vm-"))
const waitFor = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50))
}

describe("a guest", () => {
  it(
    "runs a command of the host: arguments, streams, shared directory, kernel set-up and exit code",
    async () => {
      const out = join(temporary, "out, it's")
      const words = ["a b", "it's", "$HOME", "new\nline", ""]
      const input = randomBytes(1_000_000)
      const outcome = await runVm(["node", guest, "end", ...words], { out, zswap: "zstd", env: { ODD: "'\n$x" } }, input)
      assert.strictEqual(reasonOf(outcome), "exit 41")
      const report = JSON.parse(outcome.stderr)
      assert.strictEqual(outcome.stdout.length, 2 ** 20)
      assert.strictEqual(sum(outcome.stdout), report.sum)
      assert.strictEqual(report.input, sum(input))
      assert.deepStrictEqual(report.words, words)
      assert.strictEqual(report.cwd, process.cwd())
      assert.strictEqual(report.odd, "'\n$x")
      assert.deepStrictEqual([report.compressor, report.enabled, report.swaps], ["zstd", "Y", 1])
      assert.includeMembers(report.controllers, ["memory", "cpu", "io", "pids"])
      assert.strictEqual(report.mode, "wal")
      const database = new DatabaseSync(join(out, "run.db"))
      assert.strictEqual(database.prepare("select count(*) as n from seen").get()?.["n"], 20)
      database.close()
      assert.deepStrictEqual([ourQemus(), leftBehind()], [[], []])
    },
    5 * minutes
  )

  it(
    "that panics says why, and what it wrote before is there",
    async () => {
      const out = join(temporary, "panic")
      const outcome = await runVm(["node", guest, "panic"], { out })
      assert.strictEqual(reasonOf(outcome), "Panic")
      assert.match(messageOf(outcome), /sysrq triggered crash/)
      assert.strictEqual(outcome.stdout.length, 2 ** 20)
      const database = new DatabaseSync(join(out, "run.db"))
      assert.strictEqual(database.prepare("select count(*) as n from seen").get()?.["n"], 20)
      database.close()
      assert.deepStrictEqual([ourQemus(), leftBehind()], [[], []])
    },
    5 * minutes
  )

  it(
    "that runs out of memory names what it killed",
    async () => {
      const hog = "for (const all = []; ; ) all.push(Buffer.alloc(2 ** 24, 1))"
      const outcome = await runVm(["node", "-e", hog], { memory: 384 * 2 ** 20, swap: { kind: "none" }, zswap: undefined })
      assert.strictEqual(reasonOf(outcome), "OutOfMemory")
      assert.match(messageOf(outcome), /killed node \(pid \d+\); give it more with --memory/)
      assert.strictEqual(Result.isFailure(outcome.end) ? outcome.end.failure.exitCode : 0, 137)
    },
    5 * minutes
  )

  it(
    "whose command takes too long, or that does not come up, is ended",
    async () => {
      const slow = await runVm(["sleep", "1000"], { timeout: 500 })
      assert.strictEqual(reasonOf(slow), "Timeout")
      const hanging = await runVm(["true"], { bootTimeout: 300 })
      assert.strictEqual(reasonOf(hanging), "Hang")
      assert.deepStrictEqual([ourQemus(), leftBehind()], [[], []])
    },
    5 * minutes
  )

  it(
    "goes away with Ctrl+C, and with a process that is killed the hard way",
    async () => {
      for (const signal of ["SIGINT", "SIGKILL"] as const) {
        const process_ = spawn(process.execPath, [child, "sleep", "1000"], { stdio: "ignore", env: { ...process.env, TMPDIR: temporary } })
        const ended = new Promise<number | null>((resolve) => process_.once("exit", resolve))
        await waitFor(() => ourQemus().length > 0)
        process_.kill(signal)
        assert.strictEqual(await ended, signal === "SIGINT" ? 130 : null)
        if (signal === "SIGINT") assert.deepStrictEqual([ourQemus(), leftBehind()], [[], []])
        else await waitFor(() => ourQemus().length === 0)
      }
    },
    5 * minutes
  )

  it(
    "boots a 6.1 kernel, where the cache has one",
    async ({ skip }) => {
      const kernels = await Effect.runPromise(cachedKernels(vmCache()))
      if (!kernels.some((tree) => isOfSeries(tree.version, "6.1"))) skip("no 6.1 kernel: wmo vm setup --install --kernel-series 6.1")
      const outcome = await runVm(["sh", "-c", "uname -r; cat /sys/module/zswap/parameters/zpool"], { kernelSeries: "6.1" })
      assert.strictEqual(reasonOf(outcome), "exit 0")
      assert.match(outcome.stdout.toString(), /^6\.1\.\S+\nzsmalloc\n$/)
    },
    5 * minutes
  )
})
