/** kill -9 at any moment, and a log torn or broken at any byte: what remains opens, is whole, and lacks nothing that was written before. */
import { spawn } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { stripTypeScriptTypes } from "node:module"
import { basename, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, assert, describe, it } from "vitest"
import { glueRuns } from "../src/glueRuns.ts"
import { filesOf } from "../src/recordingFiles.ts"
import { RecordingReader } from "../src/RecordingReader.ts"
import { RecordingWriter } from "../src/RecordingWriter.ts"
import { knownSnapshot, knownStart, knownValues } from "./fixtures/knownSnapshots.ts"
import { makeRandom } from "./random.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-crash-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** Opens it and checks every value, histogram and decision; gives the number of snapshots. */
const check = (file: string, subjects: number): number => {
  const reader = new RecordingReader(file)
  try {
    let count = 0
    for (const run of reader.runs()) {
      for (const { atMs, points } of reader.frames(run.id)) {
        assert.strictEqual(atMs, count)
        assert.strictEqual(new Set(points.map(({ subject }) => subject.name)).size, subjects)
        for (const { subject, values } of points) {
          const known = knownValues(atMs, Number(subject.name.slice(1)))
          // A comparison of its own: there are a million of them.
          if (Object.entries(known).some(([name, value]) => values[name] !== value)) assert.deepStrictEqual(values, known)
        }
        count++
      }
      const cold = [...reader.entries("coldAges", run.id)].flat()
      assert.deepStrictEqual(
        cold.map(({ atMs, bins }) => [atMs, bins[0]!.bytes]),
        Array.from({ length: Math.ceil(count / 10) }, (_, i) => [i * 10, i * 10])
      )
      const decisions = [...reader.entries("decisions", run.id)].flat()
      assert.deepStrictEqual(
        decisions.map(({ reason }) => reason),
        Array.from({ length: count }, (_, n) => `tick ${n - (n % 2)}`)
      )
    }
    return count
  } finally {
    reader.close()
  }
}

const isSound = (file: string): void => {
  const database = new DatabaseSync(file)
  assert.strictEqual(database.prepare("PRAGMA quick_check").get()!["quick_check"], "ok")
  database.close()
}

interface Killed {
  /** The last snapshot that the writer said it had written; -1: none. */
  readonly said: number
}

/** The writer and what it imports without their types: Node starts it in half the time, and 200 starts are what takes long here. */
const startsFast = (): string => {
  const source = join(import.meta.dirname, "../src")
  const modules = [
    ...[
      "varint",
      "Frame",
      "heatBlob",
      "Schema",
      "createFile",
      "RunWriter",
      "RecordingWriter",
      "isSqlite",
      "recordingFiles",
      "RotatingWriter"
    ].map((name) => join(source, `${name}.ts`)),
    ...["knownSnapshots", "write-forever", "rotate-forever"].map((name) => join(import.meta.dirname, "fixtures", `${name}.ts`))
  ]
  for (const file of modules) {
    const code = stripTypeScriptTypes(readFileSync(file, "utf8")).replaceAll(/from "[./]*\/(?:src\/)?(\w[\w-]*)\.ts"/g, 'from "./$1.mjs"')
    writeFileSync(join(scratch, `${basename(file, ".ts")}.mjs`), code)
  }
  return scratch
}

/** Runs the writer and kills it so long after it began, or after it first spoke. */
const killAfter = (
  script: string,
  file: string,
  subjects: number,
  checkpointPages: number,
  /** Its start, or so many lines that it has said. */
  from: "start" | number,
  ms: number
): Promise<Killed> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [script, file, String(subjects), String(checkpointPages)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const kill = () => setTimeout(() => child.kill("SIGKILL"), ms)
    if (from === "start") kill()
    let text = ""
    let lines = 0
    child.stdout.on("data", (chunk: Buffer) => {
      const before = lines
      lines += chunk.toString().split("\n").length - 1
      if (from !== "start" && before < from && lines >= from) kill()
      text = (text + chunk.toString()).slice(-64)
    })
    child.on("close", () => {
      // What came after the last line's end is half a line.
      const said = text.split("\n").slice(0, -1).at(-1)
      resolve({ said: said === undefined ? -1 : Number(said) })
    })
  })

describe("crashes", () => {
  it("200 kills at random moments: every recording opens, and what was said to be written is there", { timeout: 120_000 }, async () => {
    const random = makeRandom(20_261_121)
    const script = join(startsFast(), "write-forever.mjs")
    const kills = Array.from({ length: 200 }, (_, i) => ({
      file: join(scratch, `kill-${i}.wmo`),
      subjects: 1 + random.below(60),
      // Often enough that kills fall into checkpoints, too.
      checkpointPages: [4, 40, 1000][random.below(3)]!,
      from: i % 4 === 0 ? ("start" as const) : (1 as const),
      ms: i % 4 === 0 ? random.below(120) : random.below(25)
    }))
    const tally = { none: 0, empty: 0, snapshots: 0, lost: 0 }
    const one = async ({ checkpointPages, file, from, ms, subjects }: (typeof kills)[number]) => {
      const { said } = await killAfter(script, file, subjects, checkpointPages, from, ms)
      if (!existsSync(file)) {
        assert.strictEqual(said, -1)
        tally.none++
        return
      }
      const count = check(file, subjects)
      isSound(file)
      // At most one more than it came to say.
      assert.isAtLeast(count, said + 1)
      assert.isAtMost(count, said + 2)
      if (count === 0) tally.empty++
      tally.snapshots += count
    }
    let next = 0
    const worker = async () => {
      while (next < kills.length) await one(kills[next++]!)
    }
    await Promise.all([worker(), worker()])
    // Most kills must have hit a writer at work, or this shows nothing.
    assert.isAtLeast(kills.length - tally.none - tally.empty, 120)
    assert.isAtLeast(tally.snapshots, 500)
  })

  it("a daemon that is killed and started again, 15 times: its directory reads as one", { timeout: 60_000 }, async () => {
    const script = join(startsFast(), "rotate-forever.mjs")
    const directory = mkdtempSync(join(scratch, "daemon-"))
    const random = makeRandom(15)
    const subjects = 3
    const said: Array<number> = []
    let filesAtLeast = 0
    for (let i = 0; i < 15; i++) {
      const from = i % 5 === 0 ? "start" : 1 + random.below(80)
      if (from !== "start") filesAtLeast += Math.ceil(from / 7)
      const killed = await killAfter(script, directory, subjects, i * 100_000, from, random.below(from === "start" ? 80 : 10))
      said.push(killed.said)
    }
    const readers = filesOf(directory).map((file) => new RecordingReader(file))
    const runs = new Map(glueRuns(readers).map((run) => [run.info.uid, run]))
    said.forEach((last, i) => {
      const first = i * 100_000
      const times: Array<number> = []
      for (const { reader, runId } of runs.get(`run-${first}`)?.parts ?? []) {
        for (const { atMs, points } of reader.frames(runId)) {
          times.push(atMs)
          assert.strictEqual(points.length, subjects)
          for (const { subject, values } of points) assert.deepStrictEqual(values, knownValues(atMs, Number(subject.name.slice(1))))
        }
      }
      const count = last === -1 ? 0 : last - first + 1
      assert.isAtLeast(times.length, count)
      assert.isAtMost(times.length, count + 1)
      assert.deepStrictEqual(
        times,
        times.map((_, n) => first + n)
      )
    })
    assert.isAtLeast(readers.length, filesAtLeast)
    assert.isAtLeast(filesAtLeast, 30)
    for (const reader of readers) reader.close()
  })

  it("a log that was torn or broken at any byte leaves whole snapshots up to there", () => {
    const subjects = 5
    const file = join(scratch, "torn.wmo")
    const writer = new RecordingWriter(file)
    const run = writer.start(knownStart, "torn", 0)
    const total = 40
    for (let n = 0; n < total; n++) run.write(knownSnapshot(n, subjects))
    const log = readFileSync(`${file}-wal`)
    const random = makeRandom(7)
    const seen = new Set<number>()
    for (let i = 0; i < 300; i++) {
      const copy = join(scratch, `torn-${i}.wmo`)
      copyFileSync(file, copy)
      const cut = random.below(log.length + 1)
      const torn = Buffer.from(log.subarray(0, i % 2 === 0 ? cut : log.length))
      if (i % 2 === 1 && cut < torn.length) torn[cut] = torn[cut]! ^ (1 + random.below(255))
      writeFileSync(`${copy}-wal`, torn)
      const count = check(copy, subjects)
      isSound(copy)
      assert.isAtMost(count, total)
      seen.add(count)
    }
    writer.close()
    // From nothing to all: cuts fell everywhere.
    assert.isAtLeast(seen.size, 20)
    assert.isTrue(seen.has(0) || seen.has(1))
  })

  it("a write that fails leaves nothing of its snapshot, and the next one is whole", () => {
    const file = join(scratch, "full.wmo")
    const writer = new RecordingWriter(file)
    const run = writer.start(knownStart, "full", 0)
    run.write(knownSnapshot(0, 3))
    const { page_count: pages } = writer.database.prepare("PRAGMA page_count").get() as { page_count: number }
    writer.database.exec(`PRAGMA max_page_count = ${pages}`)
    const large = { kind: "process", name: "1@1" }
    const regions = Array.from({ length: 20_000 }, (_, i) => ({
      start: BigInt(i * 8192),
      end: BigInt(i * 8192 + 4096),
      accesses: 1,
      age: i
    }))
    assert.throws(
      () =>
        run.write({ ...knownSnapshot(1, 9), heat: [{ subject: large, source: "damon-vaddr", sampleUs: 1, aggregationUs: 1, regions }] }),
      /full/
    )
    writer.database.exec("PRAGMA max_page_count = 1000000")
    for (let n = 1; n < 12; n++) run.write(knownSnapshot(n, 3))
    writer.close()
    assert.strictEqual(check(file, 3), 12)
    const reader = new RecordingReader(file)
    assert.deepStrictEqual(
      reader.subjects(1).map(({ name }) => name),
      ["g0", "g1", "g2"]
    )
    reader.close()
  })
})
