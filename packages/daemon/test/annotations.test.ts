import { assert, describe, it } from "@effect/vitest"
import { policies } from "@wmo/policies"
import { Result } from "effect"
import { checkConfig, planGroups, readPods } from "../src/index.ts"

const uid = "0a1b2c3d-1111-2222-3333-444455556666"
const group = `kubepods/burstable/pod${uid}`
const check = (text: string) => checkConfig(text, { file: "/etc/wmod.yaml", policies, stateDirectory: "/run/wmo" })

/** The group's plan where its pod has these annotations. */
const planFor = (rule: string, annotations: Readonly<Record<string, string>>, more = "") => {
  const pods = Result.getOrThrow(
    readPods(JSON.stringify({ items: [{ metadata: { uid, name: "web-1", namespace: "prod", annotations } }] }))
  )
  const config = Result.getOrThrow(check(`rules:\n  - ${rule}\n${more}`))
  return planGroups({ config, groups: [group], pods, own: [], time: { day: "mon", minutes: 720 } }).get(group)
}
const rule =
  "{ kubernetes: {}, policy: slo, annotations: { policies: [none, periodic], settings: { promotions: { from: 0.01%, to: 1% }, cold_age: { from: 1m, to: 1h } } } }"

describe("annotations of a pod", () => {
  it("choose policy and settings, as far as they may", () => {
    const asked = planFor(rule, { "wmo.dev/set.promotions": "0.5%", other: "x" })
    assert.deepStrictEqual([asked?.plan?.policy.name, asked?.plan?.settings["promotions"], asked?.why], ["slo", 0.5, "rule at line 2"])
    const chosen = planFor(rule, { "wmo.dev/policy": "periodic", "wmo.dev/set.cold_age": "2m" })
    assert.deepStrictEqual([chosen?.plan?.policy.name, chosen?.plan?.settings["cold_age"]], ["periodic", 120_000])
  })

  it("say nothing where no rule lets them", () => {
    const plan = planFor("{ kubernetes: {}, policy: slo }", { "wmo.dev/policy": "none", "wmo.dev/set.promotions": "50%" })
    assert.deepStrictEqual([plan?.plan?.policy.name, plan?.plan?.settings["promotions"], plan?.why], ["slo", 0.2, "rule at line 2"])
  })

  it.each([
    [
      "another policy",
      { "wmo.dev/policy": "prcl" },
      "annotation wmo.dev/policy: prcl is refused: the configuration does not let pods choose it"
    ],
    [
      "beyond the range",
      { "wmo.dev/set.promotions": "2%" },
      "annotation wmo.dev/set.promotions: 2% is refused: it is not within 0.01% to 1%"
    ],
    ["below it", { "wmo.dev/set.promotions": "0%" }, "annotation wmo.dev/set.promotions: 0% is refused: it is not within 0.01% to 1%"],
    [
      "another setting",
      { "wmo.dev/set.probe": "1%" },
      "annotation wmo.dev/set.probe: 1% is refused: the configuration does not let pods set it"
    ],
    [
      "one of another policy",
      { "wmo.dev/set.cold_age": "2m" },
      "annotation wmo.dev/set.cold_age: 2m is refused: policy slo has no such setting"
    ],
    [
      "what is no value",
      { "wmo.dev/set.promotions": "much" },
      'annotation wmo.dev/set.promotions: much is refused: "much" is not a percentage: write 0.1% for example'
    ],
    [
      "a name of every object",
      { "wmo.dev/set.constructor": "1" },
      "annotation wmo.dev/set.constructor: 1 is refused: the configuration does not let pods set it"
    ]
  ])("%s is refused, and said; the rest holds", (_, annotations, why) => {
    const plan = planFor(rule, annotations)
    assert.deepStrictEqual([plan?.plan?.policy.name, plan?.plan?.settings["promotions"]], ["slo", 0.2])
    assert.strictEqual(plan?.why, `rule at line 2; ${why}`)
  })

  it("lift no protection", () => {
    const plan = planFor(rule, { "wmo.dev/policy": "periodic" }, "protected: [kubepods/**]")
    assert.isUndefined(plan?.plan)
  })

  it("are what a rule may ask for", () => {
    const tier = '{ kubernetes: { annotations: { "wmo.dev/tier": "batch-*" } }, policy: periodic }'
    assert.strictEqual(planFor(tier, { "wmo.dev/tier": "batch-7" })?.plan?.policy.name, "periodic")
    assert.isUndefined(planFor(tier, { "wmo.dev/tier": "web" }))
    assert.isUndefined(planFor(tier, {}))
  })
})

describe("what annotations may say, in a configuration", () => {
  const linesOf = (annotations: string) => {
    const checked = check(`rules: [{ match: a, policy: slo, annotations: ${annotations} }]`)
    return Result.isFailure(checked) ? checked.failure.lines.map((line) => line.replace("/etc/wmod.yaml:", "")) : []
  }
  it.each([
    ["{ policies: [slow] }", '1:60: there is no policy "slow"; did you mean slo?'],
    ["{ settings: { promotion: { from: 0, to: 1% } } }", '1:61: none of slo has a setting "promotion"; did you mean promotions?'],
    ["{ settings: { promotions: { from: x, to: 1% } } }", '1:81: from: "x" is not a percentage: write 0.1% for example'],
    ["{ settings: { promotions: { from: 2%, to: 1% } } }", "1:73: promotions: 2% is more than 1%: nothing is within"],
    ["{ settings: { promotions: { from: 2% } } }", '1:73: "to" is missing'],
    ["{ setings: {} }", '1:49: there is no "setings" here; did you mean settings?']
  ])("%s is refused", (text, line) => assert.deepStrictEqual(linesOf(text), [line]))
})
