/**
 * What is installed: the packages are built twice (the same bytes), the tarball runs from where it was unpacked, the Debian package is installed, run by systemd
 * and removed in a guest, the quick start is followed to the letter, and wmod runs with as few capabilities as are said to be enough. Needs what
 * `wmo vm setup --install` fetches, dpkg-deb, and Debian's systemd.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const minutes = 60_000
/** Five minutes and more of emulation: not in CI. */
const isShort = process.env["WMO_TEST_LONG"] === undefined
const root = join(import.meta.dirname, "../../..")
const scratch = mkdtempSync(join(tmpdir(), "wmo-deploy-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const bundle = (app: "cli" | "daemon", program: string) => join(root, "apps", app, "dist", program)

const run = (command: string, args: ReadonlyArray<string>, cwd = root) => {
  const { status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    env: { ...process.env, SOURCE_DATE_EPOCH: "1790000000" }
  })
  return { code: status, stdout, stderr }
}
const packages = join(scratch, "packages")
const pack = (out: string): string => run(process.execPath, ["tooling/package.ts", "--out", out]).stdout
const digests = (text: string): ReadonlyArray<string> =>
  text
    .trim()
    .split("\n")
    .map((line) => line.slice(0, 64))
const made = (suffix: string): string =>
  join(
    packages,
    readdirSync(packages).find((name) => name.endsWith(suffix))!
  )

/** A program in a fresh guest; what it prints. */
const inGuest = (...command: ReadonlyArray<string>): string => {
  const machine = ["--memory", "2G", "--cpus", "2", "--zswap", "lz4", "--swap", "zram:1G", "--timeout", "8m"]
  const { code, stderr, stdout } = run(process.execPath, [bundle("cli", "wmo.js"), "vm", "run", ...machine, "--", ...command])
  assert.strictEqual(code, 0, `${stderr}\n${stdout}`)
  return stdout
}

let first = ""
beforeAll(() => void (isShort || (first = pack(packages))), 5 * minutes)

describe.skipIf(isShort)("the packages (WMO_TEST_LONG=1)", () => {
  it(
    "are the same bytes from the same sources",
    () => {
      assert.lengthOf(digests(first), 2)
      assert.deepStrictEqual(digests(pack(join(scratch, "again"))), digests(first))
    },
    5 * minutes
  )

  it("the tarball runs from where it was unpacked, and finds koffi, WebAssembly and the codec thread", () => {
    mkdirSync(join(scratch, "unpacked"))
    assert.strictEqual(run("tar", ["-xzf", made(".tar.gz"), "-C", join(scratch, "unpacked"), "--strip-components=1"]).code, 0)
    const bin = (name: string) => join(scratch, "unpacked/bin", name)
    assert.match(run(bin("wmo"), ["--version"]).stdout, /^wmo /)
    assert.match(run(bin("wmod"), ["--version"]).stdout, /^wmod /)
    assert.strictEqual(run(bin("wmod"), ["check", join(scratch, "unpacked/share/doc/wmo/wmod.yaml")]).code, 0)
    assert.strictEqual(run(bin("wmod"), ["check", join(scratch, "unpacked/share/doc/wmo/wmod.example.yaml")]).code, 0)
    const size = ["--region", "1M", "--active", "10ms", "--idle", "40ms", "--duration", "400ms", "--warmup", "100ms"]
    const thread = run(bin("wmo"), ["workload", "interactive_burst", "--on", "arena", "--compress-on", "thread", ...size, "--json"])
    const lines = thread.stdout.trim().split("\n")
    assert.strictEqual(JSON.parse(lines.at(-1)!).arena?.compressed_on, "thread", thread.stderr)
    const plain = run(bin("wmo"), ["workload", "interactive_burst", ...size, "--json"])
    assert.match(JSON.parse(plain.stdout.split("\n")[0]!).start, /000$/)
    const codecs = ["arena", "codecs", "--codec", "lz4-wasm", "--data", "zeros", "--bytes", "64K", "--chunk", "64K", "--json"]
    assert.isAbove(JSON.parse(run(bin("wmo"), codecs).stdout)[0].ratio, 10)
  })
})

describe.skipIf(isShort)("the Debian package (WMO_TEST_LONG=1)", () => {
  it(
    "is installed, run by systemd, restarted by its watchdog, and removed; the kernel is as before",
    () => {
      const seen = JSON.parse(
        inGuest(process.execPath, join(import.meta.dirname, "deploy/installed.ts"), made(".deb"), String(48 * 2 ** 20))
      )
      assert.strictEqual(seen.dpkg.code, 0, seen.dpkg.stderr)
      assert.deepStrictEqual(seen.check, { code: 0, stdout: "/etc/wmod.yaml: in order, 1 rule\n", stderr: "" })
      assert.deepStrictEqual(seen.verify, { code: 0, stdout: "", stderr: "" })
      assert.isTrue(seen.systemd, "systemd did not come up in the guest")
      assert.deepStrictEqual([seen.start, seen.acts, seen.reload, seen.reloaded], [0, true, 0, true])
      const status = JSON.parse(seen.status)
      assert.deepInclude(status.groups[0], { group: "system.slice/victim.service", policy: "senpai", state: "acting" })
      assert.isAtMost(Number(seen.exposure), 3)
      assert.deepStrictEqual([seen.restarted, seen.restarts, seen.undone, seen.actsAgain], [true, "1", true, true])
      assert.strictEqual(seen.remove.code, 0, seen.remove.stderr)
      assert.deepStrictEqual([seen.highAfterRemoval, seen.stateAfterRemoval, seen.active], ["max", "", "inactive"])
      assert.isTrue(seen.config)
      assert.isAtLeast(seen.recordings, 1)
      assert.strictEqual(seen.purge.code, 0, seen.purge.stderr)
      assert.deepStrictEqual(seen.left, [])
      console.log(`systemd-analyze security: ${seen.exposure}`)
    },
    10 * minutes
  )
})

describe.skipIf(isShort)("the quick start (WMO_TEST_LONG=1)", () => {
  it(
    "does what it says, to the letter",
    () => {
      const [, guest] = [...readFileSync(join(root, "deploy/README.md"), "utf8").matchAll(/^```sh\n([^]*?)^```$/gm)].map(
        ([, text]) => text!
      )
      const script = join(scratch, "quickstart.sh")
      writeFileSync(
        script,
        `set -m -e\ncd ${scratch}\nln -sfn ${packages} dist\n${guest}\ncat /sys/fs/cgroup/shop/memory.high /tmp/wmod.log\nls /run/wmo\n`
      )
      const begun = Date.now()
      const said = inGuest("/bin/bash", script)
      console.log(`the quick start's guest part took ${((Date.now() - begun) / 1000).toFixed(0)} s, emulated`)
      assert.match(said, /^shop +periodic +acting +[\d.]+ MiB +\S+ \S+ +[\d.]+ MiB/m)
      assert.match(said, /^wmo_group_memory_current_bytes\{group="shop"\} \d+$/m)
      assert.match(said, /^set by hand: cold_age=1h; until /m)
      assert.match(said, /^paused: everything is put back/m)
      assert.match(said, /^max\n/m)
    },
    10 * minutes
  )
})

// Two minutes that say nothing new while neither the unit nor what touches the kernel changes.
describe.skipIf(isShort)("capabilities (WMO_TEST_LONG=1)", () => {
  it(
    "are as few as the table in deploy/README.md says",
    () => {
      const results = JSON.parse(
        inGuest(process.execPath, join(import.meta.dirname, "deploy/capabilities.ts"), bundle("daemon", "wmod.js"), bundle("cli", "wmo.js"))
      )
      console.log(JSON.stringify(results, null, 2))
      const doneBy = (name: string): ReadonlyArray<string> => {
        const { capEff, high, policies } = results.find((each: { readonly name: string }) => each.name === name)
        for (const limit of high) assert.strictEqual(limit, "max", name)
        assert.strictEqual(
          capEff.replace(/^0+(?=\w)/, ""),
          name.includes("DAC_OVERRIDE") ? "2" : name.includes("SYS_ADMIN") ? "200000" : "0"
        )
        return Object.entries<{ readonly actions: Readonly<Record<string, number>> }>(policies)
          .filter(([, { actions }]) =>
            ["SetHigh done", "Reclaim done", "Evict done", "SetSchemes done"].some((key) => (actions[key] ?? 0) > 0)
          )
          .map(([policy]) => policy)
      }
      const usual = ["lru-gen", "periodic", "prcl", "senpai"]
      assert.sameMembers([...doneBy("root without")], usual)
      assert.sameMembers([...doneBy("nobody DAC_OVERRIDE")], usual)
      assert.deepStrictEqual(doneBy("nobody without"), [])
      assert.deepStrictEqual(doneBy("root without, physical"), [])
      assert.deepStrictEqual(doneBy("root SYS_ADMIN, physical"), ["darc"])
    },
    10 * minutes
  )
})
