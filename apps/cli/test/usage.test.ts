import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fails, wmo } from "./harness.ts"

const commands = [
  "",
  "demo",
  "doctor",
  "run",
  "agent",
  "status",
  "explain",
  "pause",
  "resume",
  "reload",
  "policy",
  "policy list",
  "policy show",
  "record",
  "recording",
  "recording summary",
  "recording export",
  "workload",
  "workload hotcold",
  "workload bursts",
  "workload min-age-1",
  "workload min-age-2",
  "workload redis",
  "workload compile",
  "workload interactive_burst",
  "workload anon_streamer",
  "workload random_touch_heap",
  "workload mmap_churn",
  "arena",
  "arena demo",
  "arena bench",
  "arena codecs",
  "arena stats",
  "sim",
  "sim compare",
  "sim run",
  "sim workloads",
  "sim trace",
  "sim trace record",
  "sim trace info",
  "sim trace replay",
  "sim trace convert",
  "lab",
  "lab league",
  "vm",
  "vm run",
  "vm shell",
  "vm setup",
  "capture"
]

describe("help", () => {
  it.effect.each(commands)("wmo %s --help", (command) =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* wmo([...command.split(" ").filter(Boolean), "--help"])
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(stderr, "")
      assert.include(stdout, `wmo ${command}`.trim())
      assert.include(stdout, "--help")
    })
  )

  it.effect("--version", () =>
    Effect.gen(function* () {
      assert.match((yield* wmo(["--version"])).stdout, /^wmo v?\d+\.\d+\.\d+\n$/)
    })
  )

  it.effect("a noun without its verb is a usage error that shows the verbs", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* wmo(["policy"])
      assert.strictEqual(code, 2)
      assert.include(stdout, "list")
    })
  )
})

const wrong: ReadonlyArray<readonly [string, RegExp]> = [
  ["polcy", /Unknown subcommand "polcy" for "wmo"; did you mean policy\? \(see `wmo --help`\)$/],
  ["policy lst", /did you mean list\?/],
  ["doctor --jsn", /Unrecognized flag: --jsn .*; did you mean --json\?/],
  ["doctor extra", /Unexpected positional argument: "extra"/],
  ["policy show", /Missing required argument: name/],
  ["policy show periodc", /there is no policy "periodc"; did you mean periodic\?$/],
  ["policy show zzzzzzzz", /there is no policy "zzzzzzzz"/],
  ["run", /Missing required argument: command/],
  ["agent", /Missing required argument: cgroup/],
  ["agent a b", /Unexpected positional argument: "b"/],
  ["run --policy snepai -- true", /did you mean senpai\?$/],
  ["run --policy senpai --set intrval=3s -- true", /policy senpai has no setting "intrval"; did you mean interval\?$/],
  ["run --policy senpai --set interval=soon -- true", /setting interval of policy senpai: "soon" is not a duration/],
  ["run --policy senpai --set max_probe=7 -- true", /setting max_probe of policy senpai: 7 is not between 0 and 1/],
  ["run --policy none --set cold_age=1s -- true", /policy none has no setting "cold_age"/],
  ["run --set cold_age -- true", /--set: "cold_age".*key=value/],
  ["run --every 5 -- true", /--every: "5"\. "5" is not a duration: write a number with ms, s, m or h/],
  ["run --every 0s -- true", /--every must be at least 10ms$/],
  ["run --every=-1s -- true", /"-1s" is not a duration/],
  ["run --floor 5Q -- true", /--floor: "5Q"\. "5Q" is not a size: write a number with K, M, G or T/],
  ["run --page-age tea-leaves -- true", /"auto" \| "working-set" \| "mglru" \| "damon" \| "idle" \| "none"/],
  ["agent app --for never", /"never" is not a duration/],
  ["recording summary", /Missing required argument: file/],
  ["recording summary x --from 5s --to 3s", /--to must be later than --from$/],
  ["recording export x --format xml", /"csv" \| "json"/],
  ["demo --duration 5s", /--duration must be at least 20s$/],
  ["demo --seed 1.5", /--seed: "1\.5"\. Expected an integer/],
  ["workload hotcold --hot 0", /--hot must be at least one page/]
]

describe("what was typed wrong is one line with exit code 2, and nothing is touched", () => {
  it.effect.each(wrong)("wmo %s", ([command, line]) => fails(command.split(" "), 2, line))
})

describe("policy", () => {
  it.effect("list and show, as tables and as JSON", () =>
    Effect.gen(function* () {
      const list = yield* wmo(["policy", "list"])
      const names = JSON.parse((yield* wmo(["policy", "list", "--json"])).stdout).map(({ name }: { name: string }) => name)
      assert.includeMembers(names, ["none", "periodic", "senpai"])
      for (const name of names) {
        assert.include(list.stdout, name)
        const shown = yield* wmo(["policy", "show", name])
        const json = JSON.parse((yield* wmo(["policy", "show", name, "--json"])).stdout)
        assert.strictEqual(shown.code, 0)
        assert.strictEqual(json.name, name)
        for (const setting of json.settings) {
          assert.include(shown.stdout, setting.name)
          assert.include(shown.stdout, setting.default)
          assert.isNotEmpty(setting.doc)
          assert.isNotEmpty(setting.unit)
        }
      }
    })
  )
})
