/** The journal on the fake kernel, with its files in a real temporary directory. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { HeldByAnother, Journal, JournalError, type KernFs } from "../src/index.ts"
import { listJournals } from "../src/JournalFile.ts"
import { FakeKernel } from "../src/testing.ts"

const high = "/sys/fs/cgroup/app/memory.high"
const bootId = "00000000-0000-4000-8000-000000000000"
const deadPid = 4_190_000

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-journal-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const makeKernel = () => {
  const kernel = new FakeKernel()
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  kernel.fs.writes.length = 0
  return kernel
}

/** Runs with a journal; its layer closes, and so undoes, when this ends. */
const withJournal = <A, E>(kernel: FakeKernel, directory: string, use: (journal: Journal["Service"]) => Effect.Effect<A, E, KernFs>) =>
  Effect.scoped(
    Effect.flatMap(Journal, use).pipe(
      Effect.provide(Layer.provideMerge(Journal.layer({ directory, command: "wmo test" }), kernel.layer))
    ) as Effect.Effect<A, E>
  )

const recover = (kernel: FakeKernel, directory: string) => Journal.recover(directory).pipe(Effect.provide(kernel.layer))

const write = (kernel: FakeKernel, path: string, text: string) => {
  const fd = kernel.fs.openSync(path, 1)
  kernel.fs.writeSync(fd, new TextEncoder().encode(text))
  kernel.fs.closeSync(fd)
}

const deadJournal = (directory: string, lines: ReadonlyArray<unknown>, header: object = {}): string => {
  const file = `${directory}/journal-${deadPid}-77.jsonl`
  const first = { version: 1, pid: deadPid, startTime: "77", bootId, command: "wmo run", ...header }
  writeFileSync(file, [first, ...lines].map((line) => `${JSON.stringify(line)}\n`).join(""))
  return file
}

/** A journal with another header. */
const sealed = (text: string, change: object): string => {
  const [first, ...rest] = text.split("\n")
  const { check: _, ...header } = JSON.parse(first!) as Record<string, unknown>
  const changed = JSON.stringify({ ...header, ...change })
  return [`${changed.slice(0, -1)},"check":${crc32(changed)}}`, ...rest].join("\n")
}

describe("Journal", () => {
  it.effect("a file that had no room for its first line is begun anew: the next start can read it (regression)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const file = join(directory, `journal-${process.pid}-4242.jsonl`)
      symlinkSync("/dev/full", file)
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          assert.instanceOf(yield* Effect.flip(journal.set(high, "64M")), JournalError)
          assert.strictEqual(kernel.fs.text(high), "max\n")
          assert.isFalse(existsSync(file))
          yield* journal.set(high, "64M")
          assert.match(readFileSync(file, "utf8"), /^\{"version":1,"pid":/)
        })
      )
      assert.strictEqual(kernel.fs.text(high), "max\n")
    })
  )

  it.effect("is written anew by the next change when somebody has removed it, or cut it off", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporary, "state")
      const kernel = makeKernel()
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.set(high, "64M")
          const file = join(directory, readdirSync(directory)[0]!)
          for (const spoil of [() => rmSync(directory, { recursive: true }), () => truncateSync(file, 10)]) {
            spoil()
            yield* journal.set("/sys/fs/cgroup/app/memory.low", "1M")
            yield* journal.set("/sys/fs/cgroup/app/memory.low", "3M")
            const text = readFileSync(file, "utf8")
            assert.match(text, /^\{"version":1,"pid":/)
            assert.include(text, `{"kind":"write","path":"${high}","was":"max"`)
          }
        })
      )
      assert.isFalse(existsSync(directory) && readdirSync(directory).length > 0)
    })
  )

  it.effect("has the old value on disk before it writes the new one", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      let onDisk = ""
      kernel.fs.file("/sys/knob", {
        read: () => "old\n",
        write: () =>
          void (onDisk = readdirSync(directory)
            .map((name) => readFileSync(`${directory}/${name}`, "utf8"))
            .join(""))
      })
      yield* withJournal(kernel, directory, (journal) => journal.set("/sys/knob", "new"))
      assert.include(onDisk, '{"kind":"write","path":"/sys/knob","was":"old","is":"new","check":')
      assert.include(onDisk, `"pid":${process.pid}`)
    })
  )

  it.effect("undoes newest first, each path once to its oldest value, and leaves no file", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.set(high, "64M")
          yield* journal.set("/sys/module/zswap/parameters/enabled", "N")
          yield* journal.set(high, "32M")
          yield* journal.set("/sys/kernel/mm/lru_gen/min_ttl_ms", "5000")
          kernel.fs.writes.length = 0
          assert.deepStrictEqual(yield* journal.restore, [
            { path: "/sys/kernel/mm/lru_gen/min_ttl_ms", result: "restored", was: "0" },
            { path: "/sys/module/zswap/parameters/enabled", result: "restored", was: "Y" },
            { path: high, result: "restored", was: "max" }
          ])
          assert.deepStrictEqual(
            kernel.fs.writes.map(({ text }) => text),
            ["0", "Y", "max"]
          )
          assert.deepStrictEqual(readdirSync(directory), [])
          assert.deepStrictEqual(yield* journal.restore, [])
        })
      )
      assert.strictEqual(kernel.fs.text(high), "max\n")
    })
  )

  it.effect("removes what it created; the knobs inside go with it and are not written", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const group = "/sys/fs/cgroup/wmo"
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.mkdir(group)
          yield* journal.set(`${group}/memory.high`, "64M")
          yield* journal.set(`${group}/cgroup.subtree_control`, "+memory")
          yield* journal.mkdir(`${group}/child`)
          yield* journal.set(`${group}/child/memory.low`, "1M")
          kernel.fs.writes.length = 0
          assert.deepStrictEqual(
            (yield* journal.restore).map(({ path, result }) => [path.slice(group.length), result]),
            [
              ["/child", "removed"],
              ["/child/memory.low", "gone"],
              ["", "removed"],
              ["/cgroup.subtree_control", "gone"],
              ["/memory.high", "gone"]
            ]
          )
          assert.deepStrictEqual(kernel.fs.writes, [])
        })
      )
      assert.isFalse(kernel.fs.existsSync(group))
    })
  )

  it.effect("a busy group keeps its record, gives its limits back, and is removed by the next try", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const group = "/sys/fs/cgroup/wmo"
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.mkdir(group)
          yield* journal.set(`${group}/memory.high`, "64M")
          kernel.cgroups.group("wmo").processes.add(7)
          assert.deepStrictEqual(yield* journal.restore, [
            { path: group, result: "kept", why: "processes or groups are still in it" },
            { path: `${group}/memory.high`, result: "restored", was: "max" }
          ])
          // Regression: a second header line got into the file, and a second restore left the file behind.
          yield* journal.set("/sys/kernel/mm/lru_gen/min_ttl_ms", "9")
          const text = readFileSync(`${directory}/${readdirSync(directory)[0]}`, "utf8")
          assert.lengthOf(text.match(/"version":1/g)!, 1)
          kernel.cgroups.group("wmo").processes.clear()
          assert.deepStrictEqual(
            (yield* journal.restore).map(({ path, result }) => [path, result]),
            [
              ["/sys/kernel/mm/lru_gen/min_ttl_ms", "restored"],
              [group, "removed"]
            ]
          )
          assert.deepStrictEqual(readdirSync(directory), [])
        })
      )
    })
  )

  it.effect("a busy group keeps its controllers (regression: its limits and its accounts vanished with them)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.mkdir("/sys/fs/cgroup/wmo")
          yield* journal.set("/sys/fs/cgroup/wmo/cgroup.subtree_control", "+memory")
          yield* journal.mkdir("/sys/fs/cgroup/wmo/run")
          write(kernel, "/sys/fs/cgroup/wmo/run/cgroup.procs", "77")
        })
      )
      assert.strictEqual(kernel.fs.text("/sys/fs/cgroup/wmo/cgroup.subtree_control"), "memory\n")
      kernel.cgroups.group("wmo/run").processes.clear()
      yield* withJournal(kernel, directory, () => Effect.void)
      assert.lengthOf(listJournals(directory), 1)
    }).pipe(Effect.scoped)
  )

  it.effect("leaves alone, and reports, what somebody else has changed since", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.set(high, "64M")
          write(kernel, high, "48M")
          assert.deepStrictEqual(yield* journal.restore, [
            { path: high, result: "kept", why: "it is 50331648 now: somebody else has changed it since" }
          ])
          assert.deepStrictEqual(readdirSync(directory), [])
        })
      )
      assert.strictEqual(kernel.fs.text(high), "50331648\n")
    })
  )

  it.effect("does not take numbers of one page for the same setting (regression: intervals of 5000 and 6000 µs were)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const path = "/sys/kernel/mm/damon/admin/kdamonds/0/contexts/0/monitoring_attrs/intervals/sample_us"
      kernel.fs.file(path, "5000\n")
      yield* withJournal(kernel, directory, (journal) => journal.set(path, "6000"))
      assert.strictEqual(kernel.fs.text(path), "5000\n")
    })
  )

  it.effect("undoes files that do not take back what they print (regression: they were kept as somebody else's)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = new FakeKernel({ workingSet: true })
      const control = "/sys/fs/cgroup/cgroup.subtree_control"
      const thp = "/sys/kernel/mm/transparent_hugepage/enabled"
      let chosen = "madvise"
      kernel.fs.file(thp, {
        read: () => `${["always", "madvise", "never"].map((word) => (word === chosen ? `[${word}]` : word)).join(" ")}\n`,
        write: (text) => void (chosen = text)
      })
      kernel.fs.file("/sys/fs/cgroup/refresh", {
        read: () => `N0=${interval[0]} N1=${interval[1]} \n`,
        write: (text) => void (interval[Number(text[1])] = Number(text.slice(3)))
      })
      const interval = [0, 500]
      write(kernel, control, "+pids")
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.set(control, "+memory +io")
          yield* journal.set(thp, "always")
          yield* journal.set("/sys/fs/cgroup/refresh", "N0=2000")
          yield* journal.set("/sys/fs/cgroup/refresh", "N1=2000")
          yield* journal.set("/sys/kernel/mm/lru_gen/enabled", "n")
          assert.deepStrictEqual([kernel.fs.text(control), chosen, interval], ["io memory pids\n", "always", [2000, 2000]])
        })
      )
      assert.deepStrictEqual([kernel.fs.text(control), chosen, interval], ["pids\n", "madvise", [0, 500]])
      assert.strictEqual(kernel.fs.text("/sys/kernel/mm/lru_gen/enabled"), "0x0007\n")
    })
  )

  it.effect("never takes over a directory that was there (regression: recovery removed it, and a second mkdir lost the first)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          const refused = yield* Effect.flip(journal.mkdir("/sys/fs/cgroup/app"))
          assert.strictEqual(refused._tag === "KernFsError" && refused.reason._tag, "Exists")
          assert.deepStrictEqual(readdirSync(directory), [])
          yield* journal.mkdir("/sys/fs/cgroup/ours")
          yield* Effect.flip(journal.mkdir("/sys/fs/cgroup/ours"))
          yield* Effect.flip(journal.mkdir("/sys/fs/cgroup/none/child"))
          assert.deepStrictEqual(
            (yield* journal.restore).map(({ path, result }) => [path, result]),
            [["/sys/fs/cgroup/ours", "removed"]]
          )
        })
      )
      assert.isTrue(kernel.fs.existsSync("/sys/fs/cgroup/app"))
    })
  )

  it.effect("stays small when one knob is set again and again (regression: it grew without bound)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          for (let i = 0; i < 3000; i++) yield* journal.set(high, String((i + 1) * 4096))
          assert.isBelow(statSync(`${directory}/${readdirSync(directory)[0]}`).size, 64 * 1024)
        })
      )
      assert.strictEqual(kernel.fs.text(high), "max\n")
    })
  )

  it.effect("an unusable state directory is an error of one line, and nothing is changed", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      writeFileSync(`${directory}/file`, "")
      yield* withJournal(kernel, `${directory}/file/state`, (journal) =>
        Effect.gen(function* () {
          for (const attempt of [journal.set(high, "64M"), journal.mkdir("/sys/fs/cgroup/wmo")]) {
            const error = yield* Effect.flip(attempt)
            assert.instanceOf(error, JournalError)
            assert.match(error.message, /^cannot keep the journal in [^\n]+; choose another with WMO_STATE_DIR$/)
          }
          assert.deepStrictEqual(kernel.fs.writes, [])
          assert.isFalse(kernel.fs.existsSync("/sys/fs/cgroup/wmo"))
          assert.deepStrictEqual(yield* journal.restore, [])
        })
      )
    })
  )
})

describe("two processes", () => {
  /** A journal of a process that lives. */
  const livingJournal = (kernel: FakeKernel, directory: string, lines: ReadonlyArray<unknown>): string => {
    const fields = `${deadPid} (wmo) S ${"0 ".repeat(18)}77 0 0\n`
    kernel.fs.file(`/proc/${deadPid}/stat`, fields, 0o444)
    return deadJournal(directory, lines)
  }

  it.effect("do not claim the same group, nor set the same knob: the second is told who has it, and changes nothing", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const group = "/sys/fs/cgroup/app"
      livingJournal(kernel, directory, [
        { kind: "claim", path: group },
        { kind: "write", path: high, was: "max", is: "64M" },
        { kind: "mkdir", path: "/sys/fs/cgroup/app/theirs" }
      ])
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          for (const refused of [journal.claim(group), journal.set(high, "32M")]) {
            const error = yield* Effect.flip(refused)
            assert.instanceOf(error, HeldByAnother)
            assert.include(error.message, `pid ${deadPid} (wmo run)`)
          }
          yield* journal.claim("/sys/fs/cgroup/app/theirs")
          yield* journal.claim("/sys/fs/cgroup/other")
          yield* journal.set("/sys/fs/cgroup/app/memory.low", "1M")
        })
      )
      assert.strictEqual(kernel.fs.text(high), "max\n")
      assert.deepStrictEqual(
        kernel.fs.writes.filter(({ path }) => path === high),
        []
      )
    })
  )

  it.effect("a parent group that both use is passed on to the one that ends last (regression: the first complained of it)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      livingJournal(kernel, directory, [{ kind: "mkdir", path: "/sys/fs/cgroup/wmo/theirs" }])
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          for (const name of ["wmo", "alone"]) yield* journal.mkdir(`/sys/fs/cgroup/${name}`)
          for (const name of ["wmo/theirs", "alone/else"]) kernel.fs.mkdirSync(`/sys/fs/cgroup/${name}`)
          const results = (yield* journal.restore).map(({ path, result }) => [path, result])
          assert.deepStrictEqual(results, [
            ["/sys/fs/cgroup/alone", "kept"],
            ["/sys/fs/cgroup/wmo", "passed on"]
          ])
        })
      )
    })
  )

  it.effect("one after the other may: what the dead one claimed is free, and so is what a living one has given back", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      deadJournal(directory, [
        { kind: "claim", path: "/sys/fs/cgroup/app" },
        { kind: "claim", path: "/sys/fs/cgroup/b" },
        { kind: "cancel", of: "claim", path: "/sys/fs/cgroup/b" }
      ])
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.claim("/sys/fs/cgroup/app")
          yield* journal.claim("/sys/fs/cgroup/app")
          yield* journal.restore
          assert.lengthOf(readdirSync(directory), 1)
        })
      )
      livingJournal(kernel, directory, [
        { kind: "claim", path: "/sys/fs/cgroup/b" },
        { kind: "cancel", of: "claim", path: "/sys/fs/cgroup/b" }
      ])
      yield* withJournal(kernel, directory, (journal) => journal.claim("/sys/fs/cgroup/b"))
    })
  )
})

describe("Journal.holders", () => {
  it.effect("tells what living processes have claimed, and nothing of dead ones", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const holders = Journal.holders(directory).pipe(Effect.provide(kernel.layer))
      deadJournal(directory, [{ kind: "claim", path: "/sys/fs/cgroup/app" }])
      assert.deepStrictEqual(yield* holders, [])
      kernel.fs.file(`/proc/${deadPid}/stat`, `${deadPid} (wmo) S ${"0 ".repeat(18)}77 0 0\n`, 0o444)
      assert.deepStrictEqual(yield* holders, [{ pid: deadPid, command: "wmo run", claims: ["/sys/fs/cgroup/app"] }])
      assert.deepStrictEqual(yield* Journal.holders(`${directory}/none`).pipe(Effect.provide(kernel.layer)), [])
    })
  )
})

describe("Journal.recover", () => {
  it.effect("undoes what a dead process left, and says so", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      kernel.fs.mkdirSync("/sys/fs/cgroup/wmo")
      write(kernel, high, "64M")
      const file = deadJournal(directory, [
        { kind: "write", path: high, was: "max", is: "64M" },
        { kind: "write", path: high, was: "max", is: "67108864" },
        { kind: "mkdir", path: "/sys/fs/cgroup/wmo" },
        { kind: "write", path: "/sys/fs/cgroup/wmo/memory.low", was: "0", is: "1M" },
        { kind: "mkdir", path: "/sys/fs/cgroup/app" },
        { kind: "cancel", path: "/sys/fs/cgroup/app" },
        { kind: "write", path: "/sys/fs/cgroup/none/memory.low", was: "0", is: "1M" }
      ])
      assert.deepStrictEqual(yield* recover(kernel, directory), [
        {
          pid: deadPid,
          command: "wmo run",
          undone: [
            { path: "/sys/fs/cgroup/none/memory.low", result: "gone" },
            { path: "/sys/fs/cgroup/wmo", result: "removed" },
            { path: "/sys/fs/cgroup/wmo/memory.low", result: "gone" },
            { path: high, result: "restored", was: "max" }
          ]
        }
      ])
      assert.strictEqual(kernel.fs.text(high), "max\n")
      assert.isTrue(kernel.fs.existsSync("/sys/fs/cgroup/app"))
      assert.isFalse(existsSync(file))
      assert.deepStrictEqual(yield* recover(kernel, directory), [])
    })
  )

  it.effect("passes over a torn last line: the change it was for was not made", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      write(kernel, high, "67108864")
      const file = deadJournal(directory, [{ kind: "write", path: high, was: "max", is: "67108864" }])
      appendFileSync(file, '{"kind":"mkdir","path":"/sys/fs/cgroup/ap')
      const [recovery] = yield* recover(kernel, directory)
      assert.deepStrictEqual(recovery!.undone, [{ path: high, result: "restored", was: "max" }])
    })
  )

  it.effect(
    "undoes by what is left of a damaged file: without its first line by its name, and never by a line whose bits have flipped",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        const kernel = makeKernel()
        yield* withJournal(kernel, directory, (journal) =>
          Effect.gen(function* () {
            yield* journal.set(high, "64M")
            yield* journal.set("/sys/fs/cgroup/app/memory.low", "1M")
            const [own] = readdirSync(directory)
            const lines = readFileSync(join(directory, own!), "utf8").split("\n")
            const torn = [lines[0]!.slice(9), ...lines.slice(1)].map((line) => line.replace('"was":"0"', '"was":"4"'))
            writeFileSync(`${directory}/journal-${deadPid}-77.jsonl`, torn.join("\n"))
            const [recovery] = yield* recover(kernel, directory)
            assert.deepStrictEqual([recovery?.pid, recovery?.undone], [deadPid, [{ path: high, result: "restored", was: "max" }]])
            assert.strictEqual(kernel.fs.text("/sys/fs/cgroup/app/memory.low"), "1048576\n")
          })
        )
      })
  )

  const damages: Readonly<Record<string, (file: string) => void>> = {
    "is gone": (file) => rmSync(file),
    "is empty": (file) => writeFileSync(file, ""),
    "is cut off in the middle": (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
    "is cut off after a line": (file) => writeFileSync(file, readFileSync(file, "utf8").split("\n").slice(0, 2).join("\n")),
    "is garbled": (file) =>
      writeFileSync(
        file,
        readFileSync(file).map((byte, at) => (at % 7 === 3 ? 255 - byte : byte))
      ),
    "is all zeros": (file) => writeFileSync(file, Buffer.alloc(statSync(file).size)),
    "has lines of its own at the end": (file) => appendFileSync(file, "null\n[[]]\n\u0000\u0000"),
    "is there twice": (file) => appendFileSync(file, readFileSync(file))
  }
  const copies = ["file", "copy"].flatMap((which) => Object.entries(damages).map(([what, damage]) => ({ which, what, damage })))

  it.effect.each(copies)("of file and copy the $which $what: everything is undone, and nothing of it is left", ({ damage, which }) =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const dead = yield* temporary
      yield* withJournal(kernel, directory, (journal) =>
        Effect.gen(function* () {
          yield* journal.set("/sys/fs/cgroup/app/memory.low", "1M")
          yield* journal.set(high, "64M")
          yield* journal.set(high, "32M")
          // What it leaves when it is killed now, under the name of a process that is dead.
          const [name] = listJournals(directory)
          for (const suffix of ["", ".copy"]) {
            const text = readFileSync(join(directory, `${name}${suffix}`), "utf8")
            writeFileSync(join(dead, `journal-${deadPid}-77.jsonl${suffix}`), sealed(text, { pid: deadPid, startTime: "77" }))
          }
          damage(join(dead, `journal-${deadPid}-77.jsonl${which === "copy" ? ".copy" : ""}`))
          const [recovery] = yield* recover(kernel, dead)
          assert.deepStrictEqual(
            recovery?.undone.map(({ path, result }) => [path, result]),
            [
              [high, "restored"],
              ["/sys/fs/cgroup/app/memory.low", "restored"]
            ]
          )
          assert.deepStrictEqual(readdirSync(dead), [])
        })
      )
    })
  )

  it.effect("what was given up stays so where only the file was rewritten before the end", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const line = { kind: "write", path: high, was: "max", is: "67108864" }
      const file = deadJournal(directory, [line])
      writeFileSync(`${file}.copy`, readFileSync(file))
      deadJournal(directory, [{ kind: "claim", path: "app" }], { generation: 1 })
      write(kernel, high, "64M")
      assert.deepStrictEqual(yield* recover(kernel, directory), [])
      assert.strictEqual(kernel.fs.text(high), "67108864\n")
    })
  )

  it.effect("keeps the record of a busy group, and removes it when it is free", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      kernel.fs.mkdirSync("/sys/fs/cgroup/wmo")
      kernel.cgroups.group("wmo").processes.add(7)
      const file = deadJournal(directory, [{ kind: "mkdir", path: "/sys/fs/cgroup/wmo" }])
      assert.strictEqual((yield* recover(kernel, directory))[0]!.undone[0]!.result, "kept")
      assert.isTrue(existsSync(file))
      kernel.cgroups.group("wmo").processes.clear()
      assert.strictEqual((yield* recover(kernel, directory))[0]!.undone[0]!.result, "removed")
      assert.isFalse(existsSync(file))
    })
  )

  it.effect("deletes journals of another boot without touching the machine", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      write(kernel, high, "64M")
      const file = deadJournal(directory, [{ kind: "write", path: high, was: "max", is: "64M" }], { bootId: "other" })
      assert.deepStrictEqual(yield* recover(kernel, directory), [])
      assert.isFalse(existsSync(file))
      assert.strictEqual(kernel.fs.text(high), "67108864\n")
    })
  )

  it.effect("deletes nothing while it cannot tell the boot (regression)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      kernel.fs.remove("/proc/sys/kernel/random/boot_id")
      const file = deadJournal(directory, [{ kind: "write", path: high, was: "max", is: "64M" }])
      assert.deepStrictEqual(yield* recover(kernel, directory), [])
      assert.isTrue(existsSync(file))
    })
  )

  it.effect("leaves journals of living processes alone; a zombie and a new process with the old pid are not the one that wrote it", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      const stat = (state: string, start: number) =>
        kernel.fs.file(`/proc/${deadPid}/stat`, `${deadPid} (a) b (c) ${state} ${"0 ".repeat(18)}${start} 0 0\n`)
      const lines = [{ kind: "write", path: high, was: "max", is: "64M" }]
      const file = deadJournal(directory, lines)
      stat("S", 77)
      assert.deepStrictEqual(yield* recover(kernel, directory), [])
      assert.isTrue(existsSync(file))
      stat("Z", 77)
      assert.lengthOf(yield* recover(kernel, directory), 1)
      deadJournal(directory, lines)
      stat("S", 99)
      assert.lengthOf(yield* recover(kernel, directory), 1)
    })
  )

  it.effect("survives files that are no journals (regression: a first line `null` threw)", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const kernel = makeKernel()
      for (const [i, text] of ["null\n", "", "[]\n{}\n", '{"version":1}\n', "\u0000\u0001"].entries())
        writeFileSync(`${directory}/journal-${i}-1.jsonl`, text)
      mkdirSync(`${directory}/journal-9-9.jsonl`)
      deadJournal(directory, [null, 7, {}, { kind: "write", path: high }, { kind: "mkdir", path: 3 }])
      assert.deepStrictEqual(yield* recover(kernel, directory), [])
      assert.deepStrictEqual(yield* recover(kernel, `${directory}/none`), [])
      assert.deepStrictEqual(readdirSync(directory), ["journal-9-9.jsonl"])
    })
  )
})
