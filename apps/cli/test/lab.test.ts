import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { scratch, wmo } from "./harness.ts"

// No kernel is found there, so that nothing here ever boots.
process.env["XDG_CACHE_HOME"] = join(scratch, "no-cache")

const plan = {
  version: 1,
  entries: [{ label: "senpai", policy: "senpai", settings: {} }],
  workloads: [{ name: "hotcold", args: ["hotcold"] }],
  repeats: 1,
  durationMs: 10_000,
  settleMs: 3000,
  slotsPerBoot: 6,
  memory: 2 ** 31,
  cpus: 2,
  icount: 2,
  kernelSeries: null
}

const unfinished = (): string => {
  const directory = join(scratch, "league")
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, "league.json"), JSON.stringify(plan))
  return directory
}

const wrong: ReadonlyArray<readonly [string, RegExp]> = [
  ["lab league -e senpia", /did you mean senpai\?/],
  ["lab league -e none", /none is run beside every entry/],
  ["lab league -e slo -e slo", /"slo" is given twice/],
  ["lab league -e periodic:cold_age", /is not KEY=VALUE/],
  ["lab league -w nothing", /there is no workload "nothing"/],
  ["lab league --repeats 0", /--repeats must be 1/],
  ["lab league --duration 1s", /--duration must be at least 5s/],
  ["lab league --duration 10s --settle 9s", /--settle must leave at least 3s/],
  ["lab league --slots-per-boot 2", /--slots-per-boot must be at least 3/],
  ["lab league --resume /nonexistent-league", /there is no league \(no league\.json\)/],
  ["lab league --resume a --out b", /either --out or --resume/],
  ["lab league --report-only", /--report-only needs --resume/],
  ["lab league --resume a -e slo", /as it was started: leave out --entry$/],
  [
    "lab league --resume a --duration 5s --settle 1s --quick --slots-per-boot 6 --clock host -m 1G --kernel-series 6.1 -w redis --repeats 3",
    /leave out --workload, --repeats, --duration, --settle, --quick, --slots-per-boot, --clock, --memory, --kernel-series$/
  ],
  ["workload redis --sigma 3", /--sigma 3 is not a share/],
  ["workload redis --value 8", /--value must be 64 bytes to 1M/],
  ["workload redis --keys 0", /at least 1/],
  ["workload redis --rate -1", /--rate must be 0 or more/],
  ["workload bursts --every 0s", /--every must be at least 1ms/],
  ["workload min-age-1 --bytes 4K", /--bytes must be at least 64 pages/],
  ["workload min-age-2 --period 1ms", /--period must be at least 10ms/],
  ["workload compile --jobs 0", /at least 1/]
]

/** A new league with these flags, in a directory that is not there yet. */
const newLeague = Effect.fnUntraced(function* (flags: ReadonlyArray<string>) {
  const directory = join(scratch, "new")
  const ended = yield* wmo(["lab", "league", "--repeats", "1", "-e", "senpai", "--out", directory, ...flags])
  assert.strictEqual(ended.complaints.length, 1, ended.stderr)
  assert.isFalse(existsSync(directory), "nothing is written before all is checked")
  return { ...ended, line: ended.complaints[0]! }
})

const impossible: ReadonlyArray<readonly [flags: ReadonlyArray<string>, line: RegExp]> = [
  [["--memory", "1K"], /--memory: 1K is too small, give at least 256M$/],
  [["--memory", "0"], /--memory: 0 is too small/],
  [["--kernel-series", "new"], /--kernel-series: "new" is not a series/],
  [["-w", "b=hotclod --cold 1G"], /Unknown subcommand "hotclod" for "wmo workload"; did you mean hotcold\? \(see `wmo workload --help`\)$/],
  [["-w", "c=hotcold --hot lots"], /"lots" is not a size/],
  [["-w", "r=redis --keys"], /--keys/],
  [["-w", "g=hotcold --dura 3s"], /Unrecognized flag: --dura in command wmo workload hotcold \(see `wmo workload hotcold --help`\)$/],
  [["-w", "h=hotcold --help"], /Unrecognized flag: --help/],
  [["-w", "h=--cold 1G hotcold"], /"--cold" is not a workload/],
  [["-w", "p=pattern"], /pattern does not say when it starts/],
  [["-w", "m=mmap_churn --warmup 1s"], /leave out --warmup/]
]

describe("wmo lab league finds before it starts", () => {
  it.effect.each(impossible)("%s", ([flags, expected]) =>
    Effect.gen(function* () {
      const { code, line } = yield* newLeague(flags)
      assert.match(line, expected)
      assert.strictEqual(code, 2)
    })
  )

  it.effect.each([
    ["--kernel-series", "9.9"],
    ["--duration", "5s"],
    ["-w", "m=mmap_churn --region 8M"]
  ])("that there is no kernel for a guest, with %s %s, and advises what it takes", (flags) =>
    Effect.gen(function* () {
      const { code, line } = yield* newLeague(flags)
      assert.strictEqual(code, 3)
      assert.match(line, /run `wmo vm setup --install`$|the VM is not supported here/)
    })
  )

  it.effect("the same where it goes on", () =>
    Effect.gen(function* () {
      const { code, complaints } = yield* wmo(["lab", "league", "--resume", unfinished()])
      assert.strictEqual(code, 3)
      assert.match(complaints.join("\n"), /^wmo: .*(?:run `wmo vm setup --install`|the VM is not supported here.*)$/)
    })
  )
})

describe("wmo lab league", () => {
  it.effect.each(wrong)("wmo %s is a usage error", ([command, message]) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* wmo(command.split(" "))
      assert.strictEqual(code, 2, stderr)
      assert.match(stderr.trim(), message)
      assert.strictEqual(stdout, "")
    })
  )

  it.effect("reports a league of which nothing was played", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* wmo(["lab", "league", "--resume", unfinished(), "--report-only"])
      assert.strictEqual(stdout.trim(), "nothing was played yet")
      assert.match(stderr, /kept in /)
      assert.strictEqual(code, 1)
    })
  )

  it.effect("prints before it writes Markdown, into a directory that is there", () =>
    Effect.gen(function* () {
      const directory = unfinished()
      const report = (file: string) => wmo(["lab", "league", "--resume", directory, "--report-only", "--markdown", file])
      for (const [file, line] of [
        [directory, /--markdown \S+: that is a directory, give a file$/],
        [join(scratch, "none/"), /that is a directory/],
        [join(scratch, "none", "league.md"), /--markdown \S+: there is no directory \S+none$/],
        [join(directory, "league.json", "league.md"), /there is no directory/]
      ] as const) {
        const { code, complaints, stdout } = yield* report(file)
        assert.deepStrictEqual([code, stdout], [2, ""])
        assert.match(complaints.join("\n"), line)
      }
      assert.match((yield* report("/dev/full")).stdout, /nothing was played yet/)
      const file = join(scratch, "league.md")
      yield* report(file)
      assert.match(readFileSync(file, "utf8"), /^- `hotcold`: `wmo workload hotcold/m)
    })
  )

  it.effect("says the same as JSON", () =>
    Effect.gen(function* () {
      const { stdout } = yield* wmo(["lab", "league", "--resume", unfinished(), "--report-only", "--json"])
      const report = JSON.parse(stdout)
      assert.deepStrictEqual([report.slots, report.played, report.rows], [2, 0, []])
      assert.deepStrictEqual(report.plan, plan)
    })
  )

  it.effect("plays slots inside a guest only", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* wmo(["lab", "slots", "x.json"])
      assert.strictEqual(code, 3)
      assert.match(stderr, /inside a guest/)
    })
  )
})

describe("workloads that need a program", () => {
  // A plain directory with the file that the kernel would have.
  it.effect("start a server in the group that was given, and say what is wrong with it", () =>
    Effect.gen(function* () {
      const group = join(scratch, "group")
      mkdirSync(group)
      const redis = (server: string) => wmo(["workload", "redis", "--server", server, "--server-group", group, "--duration", "1s"])
      assert.match((yield* redis("true")).stderr, /^wmo: redis: --server-group: \S+ is no cgroup: make it first/)
      writeFileSync(join(group, "cgroup.procs"), "")
      assert.match((yield* redis("true")).stderr, /redis-server ended at once, with exit code 0/)
      assert.match(readFileSync(join(group, "cgroup.procs"), "utf8"), /^\d+\n$/)
      assert.match((yield* redis("no-such-server")).stderr, /there is no no-such-server: install it/)
    })
  )

  it.effect("say which one is missing, and how to get it", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* wmo(["workload", "redis", "--server", "no-such-server", "--duration", "1s"])
      assert.strictEqual(code, 1)
      assert.match(stderr, /there is no no-such-server: install it \(Debian: apt-get install/)
    })
  )

  it.effect("say when it cannot be started", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* wmo(["workload", "compile", "--compiler", "no-such-compiler", "--files", "1", "--duration", "1s"])
      assert.strictEqual(code, 1)
      assert.match(stderr, /compile: make failed/)
    })
  )
})
