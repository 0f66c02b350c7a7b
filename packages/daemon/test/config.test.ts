import { assert, describe, it } from "@effect/vitest"
import { policies } from "@wmo/policies"
import { Effect, Result } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { checkConfig, configJsonSchema, loadConfig } from "../src/index.ts"

const home = join(import.meta.dirname, "..")
const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const check = (text: string) => checkConfig(text, { file: "/etc/wmod.yaml", policies, stateDirectory: "/run/wmo" })
const linesOf = (text: string): ReadonlyArray<string> => {
  const checked = check(text)
  return Result.isFailure(checked) ? checked.failure.lines.map((line) => line.replace("/etc/wmod.yaml:", "")) : []
}
const config = (text: string) => Result.getOrThrow(check(text))

describe("the configuration", () => {
  it("may be empty: nothing is looked after", () => {
    const { emergencyStop, everyMs, http, recording, rules, socket } = config("")
    assert.deepStrictEqual(
      { emergencyStop, everyMs, http, recording, rules, socket },
      {
        emergencyStop: { pressurePercent: 40, available: { percent: 2 }, resumeAfterMs: 60_000 },
        everyMs: 1000,
        http: { host: "127.0.0.1", port: 9273 },
        recording: undefined,
        rules: [],
        socket: "/run/wmo/wmod.sock"
      }
    )
  })

  it("is told in base units", () => {
    const { defaults, recording } = config(`
      defaults: { policy: senpai, floor: 64M, budget: { tick: 1M, minute: 1G, cpu: 5% } }
      recording: { directory: recordings, keep_for: 2h, keep_size: 10M }`)
    assert.deepStrictEqual(recording, { directory: "/etc/recordings", keepForMs: 7_200_000, keepBytes: 10 * 2 ** 20 })
    const { policy, ...amounts } = defaults
    assert.strictEqual(policy?.name, "senpai")
    assert.deepInclude(amounts, { floorBytes: 64 * 2 ** 20, tickBytes: 2 ** 20, minuteBytes: 2 ** 30, cpuPercent: 5 })
  })

  it("is JSON, too", () => {
    assert.strictEqual(config('{"every": "5s", "rules": [{"match": "a/*", "policy": "periodic"}]}').everyMs, 5000)
  })

  it("says everything that is wrong at once, where it is, and what to do", () => {
    const text = [
      "evry: 1s", // 1
      "every: 5", // 2
      "defaults: {floor: 12Q, polcy: slo}", // 3
      "rules:", // 4
      "  - match: a", // 5
      "    policy: perodic", // 6
      "    settings: {anything: 1}", // 7
      "  - 7", // 8
      "  - policy: periodic", // 9
      "    settings: {cold_agee: 3s, interval: x}", // 10
      "  - match: /", // 11
      "    schedule: [{days: [tuu], from: '25:00'}]", // 12
      "recording: {keep_for: 7}", // 13
      "emergency_stop: {available: 2Q}", // 14
      "server: {http: '*:80'}" // 15
    ].join("\n")
    assert.deepStrictEqual(linesOf(text), [
      '1:1: there is no "evry" here; did you mean every?',
      '2:8: every: "5" is not a duration: write a number with ms, s, m or h, for example 500ms, 10s or 2m',
      '3:19: floor: "12Q" is not a size: write a number with K, M, G or T, for example 64M or 1.5GiB',
      '3:24: there is no "polcy" here; did you mean policy?',
      '6:13: there is no policy "perodic"; did you mean periodic?',
      "8:5: rules: expected object",
      "9:5: a rule needs `match` or `kubernetes`: which groups is it for?",
      '10:16: policy periodic has no setting "cold_agee"; did you mean cold_age?',
      '10:41: setting interval of policy periodic: "x" is not a duration: write a number with ms, s, m or h, for example 500ms, 10s or 2m',
      "11:12: the root group cannot be named: everything is below it; name groups, or `*` for those at the top",
      '12:16: "to" is missing',
      "12:24: days: expected mon or tue or wed or thu or fri or sat or sun",
      '12:36: from: "25:00" is not a time of day: write "22:30", in quotes',
      '13:12: "directory" is missing',
      '13:23: keep_for: "7" is not a duration: write a number with ms, s, m or h, for example 500ms, 10s or 2m',
      '14:29: available: "2Q" is not a size: write a number with K, M, G or T, for example 64M or 1.5GiB',
      '15:16: http: "*:80" is not an address: write 127.0.0.1:9273, or off'
    ])
  })

  it.each([
    ["a: [", "1:5: not YAML: Flow sequence"],
    ["- 1", "1:1: expected object"],
    ["every: 1s\nevery: 2s", "2:1: not YAML: Map keys must be unique"],
    ["a: &x [1]\nb: !!js/function 1", "2:4: not YAML: Unresolved tag"]
  ])("refuses %j", (text, start) => assert.include(linesOf(text).join("\n"), start))

  it("settings without a policy belong to one that the group may have from before", () => {
    const rule = "rules: [{match: a, policy: periodic}, {match: a/b, settings: {cold_age: 3s}}]"
    assert.deepStrictEqual(linesOf(rule), [])
    assert.deepStrictEqual(linesOf(rule.replace("cold_age", "cold_ages")), [
      '1:63: policy periodic has no setting "cold_ages"; did you mean cold_age?'
    ])
  })

  it("the example is valid, and shows every key that there is", () => {
    const text = readFileSync(join(home, "wmod.example.yaml"), "utf8")
    assert.deepStrictEqual(linesOf(text), [])
    const keys = new Set<string>()
    const collect = (schema: unknown): void => {
      if (typeof schema !== "object" || schema === null) return
      if ("properties" in schema) for (const name of Object.keys(schema.properties as object)) keys.add(name)
      for (const part of Object.values(schema)) collect(part)
    }
    collect(configJsonSchema())
    const shown = [...keys].filter((key) => new RegExp(`(?:^|[\\s{,#-])${key}:`, "m").test(text))
    // Patterns of a pod's name, and the word that lifts a protection, are in the comments.
    assert.deepStrictEqual(
      [...keys].filter((key) => !shown.includes(key) && !text.includes(key)),
      []
    )
  })

  it("the published JSON Schema is the one of this code", () => {
    assert.deepStrictEqual(JSON.parse(readFileSync(join(home, "wmod.schema.json"), "utf8")), JSON.parse(JSON.stringify(configJsonSchema())))
  })
})

describe("policies of third parties", () => {
  const load = (policy: string, modules: ReadonlyArray<string>) => {
    const file = join(scratch, "wmod.yaml")
    writeFileSync(file, JSON.stringify({ policies: modules, rules: [{ match: "a", policy }] }))
    return Effect.result(loadConfig(file, { stateDirectory: "/run/wmo" }))
  }
  const fixture = (name: string) => join(import.meta.dirname, "fixtures", name)

  it.effect("are found by path, and are like built-in ones", () =>
    Effect.gen(function* () {
      const loaded = Result.getOrThrow(yield* load("louder", [fixture("goodPolicies.mjs")]))
      assert.strictEqual(loaded.rules[0]?.body.policy?.name, "louder")
    })
  )

  it.effect("what cannot be loaded, or is no policy, is a problem with a line", () =>
    Effect.gen(function* () {
      const answer = yield* load("none", [
        fixture("nowhere.mjs"),
        fixture("noPolicy.mjs"),
        fixture("goodPolicies.mjs"),
        fixture("goodPolicies.mjs")
      ])
      const lines = Result.isFailure(answer) ? answer.failure.lines : []
      assert.lengthOf(lines, 4)
      assert.match(lines[0]!, /nowhere\.mjs cannot be loaded: ENOENT/)
      assert.match(lines[1]!, /noPolicy\.mjs is no module of policies: half has no function decide/)
      assert.match(lines[2]!, /there is a policy "quiet" already; give it another name/)
    })
  )

  it.effect("a file that is not there is one line", () =>
    Effect.gen(function* () {
      const answer = yield* Effect.result(loadConfig(join(scratch, "nowhere.yaml"), { stateDirectory: "/run/wmo" }))
      assert.match(Result.isFailure(answer) ? answer.failure.message : "", /nowhere\.yaml:1:1: cannot be read: ENOENT.*name a file/)
    })
  )
})
