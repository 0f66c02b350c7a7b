import { assert, describe, it } from "@effect/vitest"
import { policies } from "@wmo/policies"
import { Result } from "effect"
import { checkConfig, planGroups, type Pods, readPods } from "../src/index.ts"
import { isWithin, localTime } from "../src/config/schedule.ts"

const uid = "0a1b2c3d-1111-2222-3333-444455556666"
const other = uid.replace("0a", "ff")
const noon = { day: "mon", minutes: 720 } as const
const noPods: Pods = new Map()

const plansFor = (
  text: string,
  groups: ReadonlyArray<string>,
  changes: { readonly pods?: Pods; readonly own?: ReadonlyArray<string> } = {}
) =>
  planGroups({
    config: Result.getOrThrow(checkConfig(text, { file: "/etc/wmod.yaml", policies, stateDirectory: "/run/wmo" })),
    groups,
    pods: changes.pods ?? noPods,
    own: changes.own ?? [],
    time: noon
  })
const acting = (plans: ReturnType<typeof plansFor>) =>
  Object.fromEntries([...plans.values()].flatMap(({ group, plan }) => (plan === undefined ? [] : [[group, plan.policy.name]])))
const whyNot = (plans: ReturnType<typeof plansFor>, group: string) =>
  plans.get(group)?.plan === undefined ? plans.get(group)?.why : "it acts"

describe("plans", () => {
  it("later rules override earlier ones in what they name; settings stay with their policy", () => {
    const plans = plansFor(
      `defaults: { floor: 32M }
rules:
  - { match: "a/*", policy: periodic, settings: { cold_age: 7s, interval: 3s } }
  - { match: a/b, floor: 1G, settings: { cold_age: 9s } }
  - { match: a/d, policy: senpai }
`,
      ["a", "a/b", "a/c", "a/d", "e"]
    )
    assert.deepStrictEqual([...plans.keys()], ["a/b", "a/c", "a/d"])
    const settingsOf = (group: string) => plans.get(group)?.plan?.settings
    assert.deepInclude(settingsOf("a/b"), { cold_age: 9000, interval: 3000 })
    assert.deepInclude(settingsOf("a/c"), { cold_age: 7000, interval: 3000 })
    assert.notProperty(settingsOf("a/d"), "cold_age")
    assert.deepStrictEqual(
      ["a/b", "a/c"].map((group) => plans.get(group)?.plan?.rails.floorBytes),
      [2 ** 30, 32 * 2 ** 20]
    )
    assert.strictEqual(plans.get("a/b")?.why, "rules at line 3, 4")
  })

  it("plans that do the same have the same key, others have not", () => {
    const key = (rule: string) => plansFor(`rules: [{ match: a, policy: periodic, ${rule} }]`, ["a"]).get("a")?.plan?.key
    assert.strictEqual(key("settings: { cold_age: 1m }"), key("settings: { cold_age: 60s }"))
    assert.notStrictEqual(key("settings: { cold_age: 1m }"), key("settings: { cold_age: 2m }"))
    assert.notStrictEqual(key("floor: 64M"), key("floor: 65M"))
    assert.notStrictEqual(key("budget: { cpu: 1% }"), key("budget: { cpu: 2% }"))
  })

  it("groups that the same rules are for have one plan between them", () => {
    const plans = plansFor(`rules: [{ match: "*", policy: senpai }, { match: b*, floor: 1G }]`, ["a1", "a2", "b1", "b2"])
    const planOf = (group: string) => plans.get(group)!.plan
    assert.strictEqual(planOf("a1"), planOf("a2"))
    assert.strictEqual(planOf("b1"), planOf("b2"))
    assert.notStrictEqual(planOf("a1")?.key, planOf("b1")?.key)
  })

  it("of a group and one above it the deeper one acts", () => {
    const plans = plansFor('rules: [{ match: "a/**", policy: periodic }, { match: a, policy: senpai }]', ["a", "a/b", "a/b/c"])
    assert.deepStrictEqual(acting(plans), { "a/b/c": "periodic" })
    assert.strictEqual(whyNot(plans, "a/b"), "a/b/c below it has a rule of its own (rule at line 1)")
  })

  it("a protected group, what is below it and what is above it are left alone", () => {
    const text = 'protected: [a/b]\nrules: [{ match: "**", policy: periodic }]'
    const plans = plansFor(text, ["a", "a/b", "a/b/c", "d"])
    assert.deepStrictEqual(acting(plans), { d: "periodic" })
    assert.match(whyNot(plans, "a")!, /^a\/b below it must be left alone: protected/)
    assert.match(whyNot(plans, "a/b/c")!, /^a\/b above it is left alone: protected/)
  })

  it("a rule protects; the daemon's own group is protected", () => {
    const text = 'rules: [{ match: "*", policy: periodic }, { match: a, protect: true }]'
    assert.deepStrictEqual(acting(plansFor(text, ["a", "b", "c"], { own: ["c"] })), { b: "periodic" })
    assert.match(whyNot(plansFor(text, ["c"], { own: ["c"] }), "c")!, /^wmod itself runs in it/)
  })

  it("defaults say nothing of groups that no rule picks", () => {
    const text = "defaults: { protect: true }\nrules: [{ match: a, policy: periodic, protect: false }]"
    assert.deepStrictEqual(acting(plansFor(text, ["a", "a/b"])), { a: "periodic" })
  })

  it("Guaranteed pods are protected, unless a rule says otherwise", () => {
    const groups = [`kubepods/pod${uid}`, `kubepods/burstable/pod${other}`]
    const text = "rules: [{ kubernetes: {}, policy: watermark }]"
    assert.deepStrictEqual(acting(plansFor(text, groups)), { [groups[1]!]: "watermark" })
    assert.match(whyNot(plansFor(text, groups), groups[0]!)!, /the pod is Guaranteed/)
    const lifted = text.replace("watermark }", "watermark, protect: false }")
    assert.deepStrictEqual(acting(plansFor(lifted, groups)), { [groups[0]!]: "watermark", [groups[1]!]: "watermark" })
    // No rule of its own is needed to keep what is above it from taking its memory.
    assert.deepStrictEqual(acting(plansFor("rules: [{ match: kubepods, policy: periodic }]", ["kubepods", groups[0]!])), {})
  })

  it("Kubernetes selectors: class, names, labels; containers only when they are asked for", () => {
    const container = "3f".repeat(32)
    const pods = Result.getOrThrow(
      readPods(
        JSON.stringify({
          items: [
            {
              metadata: { uid, name: "web-1", namespace: "prod", labels: { app: "web" } },
              status: { containerStatuses: [{ name: "nginx", containerID: `containerd://${container}` }] }
            }
          ]
        })
      )
    )
    const groups = [`kubepods/burstable/pod${uid}`, `kubepods/burstable/pod${uid}/${container}`, `kubepods/besteffort/pod${other}`]
    const selected = (selector: string, known = pods) =>
      Object.keys(acting(plansFor(`rules: [{ kubernetes: ${selector}, policy: watermark }]`, groups, { pods: known })))
    assert.deepStrictEqual(selected("{ qos: besteffort }"), [groups[2]])
    assert.deepStrictEqual(selected("{ namespace: prod, pod: 'web-*', labels: { app: web } }"), [groups[0]])
    assert.deepStrictEqual(selected("{ labels: { app: db } }"), [])
    assert.deepStrictEqual(selected("{ container: nginx }"), [groups[1]])
    assert.deepStrictEqual(selected(`{ pod: ${other} }`), [groups[2]])
    assert.deepStrictEqual(selected("{ namespace: prod }", noPods), [])
    assert.strictEqual(plansFor("rules: [{ kubernetes: {} }]", groups, { pods }).get(groups[0]!)?.name, "prod/web-1 (burstable)")
  })

  it("outside of its schedule a group is left alone", () => {
    const plans = plansFor('rules: [{ match: a, policy: periodic, schedule: [{ from: "22:00", to: "06:00" }] }]', ["a"])
    assert.strictEqual(whyNot(plans, "a"), "outside of its schedule (rule at line 1)")
  })
})

describe("schedules", () => {
  const night = [{ days: ["fri"], fromMinutes: 22 * 60, toMinutes: 6 * 60 }] as const
  it.each([
    ["fri", 22 * 60 - 1, false],
    ["fri", 22 * 60, true],
    ["sat", 6 * 60 - 1, true],
    ["sat", 6 * 60, false],
    ["fri", 60, false]
  ] as const)("a night that begins on Friday: %s at minute %i: %s", (day, minutes, isOn) =>
    assert.strictEqual(isWithin(night, { day, minutes }), isOn)
  )

  it("tells weekday and time of the machine's clock", () => {
    assert.deepStrictEqual(localTime(new Date(2026, 10, 21, 20, 33).getTime()), { day: "sat", minutes: 20 * 60 + 33 })
  })
})
