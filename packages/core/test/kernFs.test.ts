/** The door to pseudo-files, on the fake file system. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { bytesFile, type Codec, type Held, KernFs, type KernFsError, type KernFsReason } from "../src/index.ts"
import { Errno, FakeFs } from "../src/testing.ts"

const run = <A, E>(fs: FakeFs, use: (kernFs: KernFs["Service"]) => Effect.Effect<A, E, any>) =>
  Effect.flatMap(KernFs, use).pipe(Effect.provide(KernFs.layerOver(fs)))

const raw: Codec<number> = { file: "raw", decode: (bytes) => Result.succeed(bytes.length), encode: String }

const errnos: ReadonlyArray<readonly [string, KernFsReason["_tag"], retryable: boolean, gone: boolean]> = [
  ["EAGAIN", "Again", true, false],
  ["EBUSY", "Busy", true, false],
  ["EEXIST", "Exists", false, false],
  ["EINTR", "Interrupted", true, false],
  ["EINVAL", "Invalid", false, false],
  ["ENODEV", "NoDevice", false, true],
  ["ESRCH", "NoProcess", false, true],
  ["ENOSPC", "NoSpace", false, false],
  ["ENOTDIR", "NotDirectory", false, false],
  ["ENOENT", "NotFound", false, true],
  ["EOPNOTSUPP", "NotSupported", false, false],
  ["ENOTSUP", "NotSupported", false, false],
  ["ERANGE", "OutOfRange", false, false],
  ["EACCES", "PermissionDenied", false, false],
  ["EPERM", "PermissionDenied", false, false],
  ["EROFS", "ReadOnly", false, false],
  ["EMFILE", "TooManyOpen", false, false],
  ["E2BIG", "Other", false, false]
]

describe("refusals", () => {
  it.effect.each(errnos)("%s is %s", ([errno, tag, retryable, gone]) => {
    const fs = new FakeFs()
    const refuse = () => {
      throw new Errno(errno)
    }
    fs.file("/sys/knob", { read: refuse, write: refuse })
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        for (const attempt of [
          kernFs.read("/sys/knob"),
          kernFs.write("/sys/knob", "1\n2\n"),
          kernFs.writeBlocking("/sys/knob", "x".repeat(5000))
        ]) {
          const error: KernFsError = yield* Effect.flip(attempt as Effect.Effect<unknown, KernFsError>)
          assert.strictEqual(error.reason._tag, tag)
          assert.strictEqual(error.isRetryable, retryable)
          assert.strictEqual(error.isGone, gone)
          // One line, with the path, a cause and what to do about it.
          assert.match(error.message, /^cannot (?:read|write) [^\n]*\/sys\/knob: [^\n]+$/)
          assert.match(error.message, /[;]|\(any more\)/)
          assert.isBelow(error.message.length, 250)
        }
      })
    )
  })

  it.effect("a missing file, directory and parent are NotFound; a file that may not be read or written is PermissionDenied", () => {
    const fs = new FakeFs()
    fs.file("/sys/ro", "1\n", 0o444)
    fs.file("/sys/wo", "1\n", 0o200)
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        const tag = (effect: Effect.Effect<unknown, KernFsError>) => Effect.map(Effect.flip(effect), (error) => error.reason._tag)
        assert.strictEqual(yield* tag(kernFs.read("/sys/none")), "NotFound")
        assert.strictEqual(yield* tag(kernFs.list("/none")), "NotFound")
        assert.strictEqual(yield* tag(kernFs.mkdir("/none/child")), "NotFound")
        assert.strictEqual(yield* tag(kernFs.rmdir("/none")), "NotFound")
        assert.strictEqual(yield* tag(kernFs.mkdir("/sys")), "Exists")
        assert.strictEqual(yield* tag(kernFs.write("/sys/ro", "2")), "PermissionDenied")
        assert.strictEqual(yield* tag(kernFs.read("/sys/wo") as any), "PermissionDenied")
      })
    )
  })
})

describe("reads and writes", () => {
  it.effect("a shorter write leaves no tail, and a command is one write", () => {
    const fs = new FakeFs()
    fs.file("/sys/limit", "9223372036854771712\n")
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        yield* kernFs.write("/sys/limit", "max")
        assert.strictEqual(yield* Effect.map(kernFs.read("/sys/limit"), (bytes) => new TextDecoder().decode(bytes)), "max\n")
        yield* kernFs.writeBlocking("/sys/limit", "1")
        assert.strictEqual(fs.text("/sys/limit"), "1\n")
        assert.deepStrictEqual(
          fs.writes.map(({ text }) => text),
          ["max", "1"]
        )
      })
    )
  })

  it.effect("reads files larger than its buffer, and small ones after them", () => {
    const fs = new FakeFs()
    const sizes = [64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 300_000, 3]
    sizes.forEach((size, i) => fs.file(`/proc/${i}`, "x".repeat(size)))
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        for (const [i, size] of sizes.entries()) {
          assert.strictEqual((yield* kernFs.read(`/proc/${i}`)).length, size)
          const held = yield* kernFs.hold(`/proc/${i}`, raw)
          assert.strictEqual(yield* held.read, size)
          assert.strictEqual(yield* held.read, size)
        }
      })
    )
  })

  it.effect("what read gave stays as it was when the buffer is used again", () => {
    const fs = new FakeFs()
    fs.file("/proc/a", "aaaa")
    fs.file("/proc/b", "bbbb")
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        const first = yield* kernFs.read("/proc/a")
        yield* kernFs.read("/proc/b")
        assert.strictEqual(new TextDecoder().decode(first), "aaaa")
      })
    )
  })

  it.effect("a held descriptor follows the file, fails with NoDevice once it is gone, and with a namesake too", () => {
    const fs = new FakeFs()
    let value = 1
    fs.file("/cg/a/memory.current", { read: () => `${value}\n` })
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        const held = yield* kernFs.hold("/cg/a/memory.current", bytesFile("memory.current"))
        value = 2
        assert.strictEqual(yield* held.read, 2)
        fs.remove("/cg/a")
        assert.strictEqual((yield* Effect.flip(held.read) as any).reason._tag, "NoDevice")
        fs.file("/cg/a/memory.current", "7\n")
        assert.isTrue(Result.isFailure(held.readResult()))
      })
    )
  })

  it.effect("reads numbers of debugfs, which refuse pread (regression: ESPIPE on zswap/pool_total_size of 6.12)", () => {
    const fs = new FakeFs()
    fs.file("/debug/stored_pages", { read: () => "42\n", isNotSeekable: true })
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        const codec = bytesFile("stored_pages")
        assert.strictEqual(yield* kernFs.decode("/debug/stored_pages", codec), 42)
        const held = yield* kernFs.hold("/debug/stored_pages", codec)
        assert.deepStrictEqual([yield* held.read, yield* held.read], [42, 42])
      })
    )
  })

  it.effect("holds more files than the process has descriptors, and leaves some for others", () => {
    const fs = new FakeFs()
    const codec = bytesFile("memory.current")
    for (let i = 0; i < 300; i++) fs.file(`/cg/${i}/memory.current`, { read: () => `${i}\n` })
    fs.descriptorsAtMost = 100
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        const held: Array<Held<number>> = []
        for (let i = 0; i < 300; i++) held.push(yield* kernFs.hold(`/cg/${i}/memory.current`, codec))
        for (let round = 0; round < 2; round++) {
          for (const [i, file] of held.entries()) assert.strictEqual(yield* file.read, i)
        }
        assert.isAtLeast(fs.descriptorsAtMost - fs.descriptorCount, 60)
        assert.isAtLeast(fs.descriptorCount, 30)
        fs.remove("/cg/0")
        fs.remove("/cg/299")
        for (const i of [0, 299]) assert.isTrue(((yield* Effect.flip(held[i]!.read)) as KernFsError).isGone)
      })
    ).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => assert.strictEqual(fs.descriptorCount, 0))))
  })

  it.effect("reads and writes at positions", () => {
    const fs = new FakeFs()
    const words = new Uint8Array(32)
    fs.file("/bitmap", {
      readAt: (position, length) => words.slice(position, position + length),
      writeAt: (position, bytes) => words.set(bytes, position)
    })
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        const file = yield* kernFs.open("/bitmap", "readWrite")
        assert.deepStrictEqual(file.write(Uint8Array.of(1, 2, 3), 8), Result.succeed(3))
        const bytes = new Uint8Array(16)
        assert.deepStrictEqual(file.readInto(bytes, 8), Result.succeed(16))
        assert.deepStrictEqual([...bytes.subarray(0, 4)], [1, 2, 3, 0])
        assert.deepStrictEqual(file.readInto(bytes, 24), Result.succeed(8))
        assert.strictEqual((yield* Effect.flip(kernFs.open("/none", "read"))).reason._tag, "NotFound")
      })
    )
  })

  it.effect("closes what it held with the scope", () => {
    const fs = new FakeFs()
    fs.file("/cg/memory.current", "1\n")
    return run(fs, (kernFs) =>
      Effect.gen(function* () {
        const held = yield* Effect.scoped(kernFs.hold("/cg/memory.current", bytesFile("memory.current")))
        const error: any = yield* Effect.flip(held.read)
        assert.deepStrictEqual(error.reason, { _tag: "Other", errno: "EBADF" })
      })
    )
  })

  it.live("a blocking write is not interrupted: the kernel finishes what it began, and the interrupter waits for it", () => {
    const fs = new FakeFs()
    fs.file("/cg/memory.reclaim", { write: () => undefined })
    let finish: () => void = () => undefined
    const slow = Object.assign(Object.create(fs), {
      write: (fd: number, bytes: Uint8Array, done: (error: unknown, written: number) => void) => {
        finish = () => fs.write(fd, bytes, done)
      }
    }) as FakeFs
    return run(slow, (kernFs) =>
      Effect.gen(function* () {
        const writer = yield* Effect.forkChild(kernFs.writeBlocking("/cg/memory.reclaim", "1M"), { startImmediately: true })
        const interrupter = yield* Effect.forkChild(Fiber.interrupt(writer), { startImmediately: true })
        yield* Effect.yieldNow
        assert.isUndefined(interrupter.pollUnsafe())
        assert.deepStrictEqual(fs.writes, [])
        finish()
        yield* Fiber.join(interrupter)
        assert.deepStrictEqual(
          fs.writes.map(({ text }) => text),
          ["1M"]
        )
      })
    )
  })
})
