/** Captured kernels, decoded whole and compared with their goldens; and the way there: capture, load, decode. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { capture, Cgroups, findCgroupMount, lruGen, Memcg, probeCapabilities } from "../src/index.ts"
import { Errno, FakeKernel, loadFixture, makeSimpleMemcg } from "../src/testing.ts"
import { decodeFixture, fixtureNames, fixturesDirectory } from "./fixtures.ts"

const names = fixtureNames()
describe("captured kernels", () => {
  it("are there", () => {
    assert.isAbove(names.length, 0, "fixtures/ has no captured kernel any more")
  })

  for (const name of names) {
    const directory = `${fixturesDirectory}/${name}`
    it(`${name}: every file is understood, and means what its golden says`, () => {
      const decoded = decodeFixture(directory)
      const misunderstood = Object.entries(decoded).filter(
        ([, value]) => typeof value === "object" && value !== null && "misunderstood" in value
      )
      assert.deepStrictEqual(misunderstood, [])
      assert.deepStrictEqual(decoded, JSON.parse(readFileSync(`${directory}/golden.json`, "utf8")))
    })
    it.effect(`${name}: can be probed`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* probeCapabilities)[0]!.state, "yes")
      }).pipe(Effect.provide(loadFixture(directory).layer))
    )
  }
})

describe("capture", () => {
  const temporary = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "wmo-capture-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )

  const makeKernel = () => {
    const nodes = [{ node: 0, generations: [{ seq: 3, ageMs: 1000, anonPages: 7, filePages: 9 }] }]
    const kernel = new FakeKernel({ memcg: (_, limits) => makeSimpleMemcg({ nodes }, limits) })
    kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
    kernel.fs.mkdirSync("/sys/fs/cgroup/app")
    kernel.fs.mkdirSync("/sys/fs/cgroup/private")
    kernel.fs.file("/proc/sys/kernel/hostname", "secret-host\n")
    kernel.fs.file("/proc/self/cmdline", "secret-command\n")
    kernel.fs.file("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds", "0\n")
    kernel.fs.file("/proc/pressure/io", {
      read: () => {
        throw new Errno("EOPNOTSUPP")
      }
    })
    kernel.fs.writes.length = 0
    return kernel
  }

  it.effect("keeps what the kernel said, refusals included, and answers with it again", () =>
    Effect.gen(function* () {
      const out = yield* temporary
      const kernel = makeKernel()
      const manifest = yield* capture({ cgroups: ["app"], out }).pipe(Effect.provide(kernel.layer))
      assert.strictEqual(manifest.release, "6.12.0-fake")
      assert.deepStrictEqual(kernel.fs.writes, [])
      const fixture = loadFixture(out)
      assert.deepStrictEqual(fixture.manifest, manifest)
      const read = (path: string) => fixture.fs.text(path)
      assert.strictEqual(read("/sys/fs/cgroup/app/memory.high"), "max\n")
      assert.strictEqual(read("/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds"), "0\n")
      assert.deepStrictEqual(
        manifest.files.find(({ path }) => path === "/proc/pressure/io"),
        { path: "/proc/pressure/io", mode: 0o644, size: 0, error: "EOPNOTSUPP" }
      )
      assert.strictEqual(manifest.files.find(({ path }) => path === "/sys/fs/cgroup/app/memory.reclaim")?.mode, 0o200)
      const reads = Effect.gen(function* () {
        const cgroups = yield* Cgroups
        const found = Object.fromEntries((yield* probeCapabilities).map(({ id, state }) => [id, state]))
        return { found, stat: yield* cgroups.read("app", Memcg.memoryStat), mount: yield* findCgroupMount }
      })
      assert.deepStrictEqual(yield* Effect.provide(reads, fixture.layer), yield* Effect.provide(reads, kernel.layer))
      const misunderstood = Object.values(decodeFixture(out)).filter(
        (value) => typeof value === "object" && value !== null && "misunderstood" in value
      )
      assert.deepStrictEqual(misunderstood, [])
    })
  )

  it.effect("leaves out other groups, the host's name and command lines", () =>
    Effect.gen(function* () {
      const out = yield* temporary
      const manifest = yield* capture({ cgroups: ["/app/"], out }).pipe(Effect.provide(makeKernel().layer))
      assert.isFalse(manifest.files.some(({ path }) => /hostname|cmdline|environ|private/.test(path)))
      const { fs } = loadFixture(out)
      const table = lruGen.decode(new TextEncoder().encode(fs.text("/sys/kernel/debug/lru_gen")))
      assert.deepStrictEqual(table._tag === "Success" && table.success.map(({ path }) => path), ["/", "/app"])
    })
  )

  it.effect("an unusable directory is an error of one line", () =>
    Effect.gen(function* () {
      const out = yield* temporary
      writeFileSync(`${out}/file`, "")
      const error = yield* Effect.flip(capture({ cgroups: [], out: `${out}/file/x` }).pipe(Effect.provide(makeKernel().layer)))
      assert.match(error.message, /^cannot write the capture to [^\n]+; choose another directory$/)
    })
  )
})
