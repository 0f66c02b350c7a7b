/**
 * What is done about each group that there is: rules and defaults put together, and who must be left alone. Pure: the same configuration, groups, pods and
 * time give the same plans. Of a group and one above it that both have a rule the deeper one acts; nothing acts on a group with a protected one below it,
 * since reclaiming from a group takes from all below.
 */
import { decodeSettings, none, type AnyPolicy, type SettingValues, type Settings } from "@wmo/policies"
import { defaultGuardRails, type GuardRails } from "@wmo/control"
import { Result } from "effect"
import { type ContainerGroup, containerOf } from "../containers/cgroupNames.ts"
import { nameOf, selects } from "../containers/selectors.ts"
import type { Pods } from "../containers/pods.ts"
import { askedBy } from "../containers/annotations.ts"
import type { Override } from "./Override.ts"
import type { Config, Rule, RuleBody } from "./Config.ts"
import { isWithin, type LocalTime } from "./schedule.ts"

/** How a group is looked after. */
export interface Plan {
  readonly policy: AnyPolicy
  readonly settings: SettingValues<Settings>
  readonly rails: GuardRails
  /** Of one CPU, in percent; undefined: no limit. */
  readonly cpuPercent: number | undefined
  /** Two plans that do the same have the same key. */
  readonly key: string
}

export interface GroupPlan {
  readonly group: string
  /** What it is called, where it belongs to a container or pod. */
  readonly name: string | undefined
  /** Undefined: the group is left alone, see `why`. */
  readonly plan: Plan | undefined
  /** Which rules these are, or why the group is left alone. */
  readonly why: string
  /** What `wmo set` has said of it. */
  readonly override: Override | undefined
}

export interface PlanInput {
  readonly config: Config
  readonly groups: Iterable<string>
  readonly pods: Pods
  readonly time: LocalTime
  /** Groups that are protected whatever the configuration says: the daemon's own. */
  readonly own: ReadonlyArray<string>
  /** By group: what `wmo set` has said. */
  readonly overrides?: ReadonlyMap<string, Override> | undefined
}

const parentOf = (group: string): string => group.slice(0, Math.max(0, group.lastIndexOf("/")))

/** The groups above, from the nearest on, the root left out. */
const ancestorsOf = (group: string): ReadonlyArray<string> => {
  const above: Array<string> = []
  for (let name = parentOf(group); name !== ""; name = parentOf(name)) above.push(name)
  return above
}

/** Later bodies win in what they name. Settings add up for as long as the policy is the same. */
const merge = (bodies: ReadonlyArray<RuleBody>): RuleBody => {
  const named: RuleBody = Object.assign(
    {},
    ...bodies.map((body) => Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)))
  )
  let policy: AnyPolicy | undefined
  let begin = 0
  for (const [i, body] of bodies.entries()) {
    if (body.policy === undefined || body.policy === policy) continue
    policy = body.policy
    begin = i
  }
  return { ...named, settings: Object.assign({}, ...bodies.slice(begin).map(({ settings }) => settings)) }
}

/** What rules come to is worked out once for each choice of them: a thousand groups have few, and are planned anew every few seconds. */
const mergedBy = new WeakMap<Config, Map<string, RuleBody>>()

const ruledBy = (config: Config, rules: ReadonlyArray<Rule>): RuleBody => {
  let known = mergedBy.get(config)
  if (known === undefined) mergedBy.set(config, (known = new Map()))
  const key = rules.map((rule) => config.rules.indexOf(rule)).join()
  let body = known.get(key)
  if (body === undefined) known.set(key, (body = merge([config.defaults, ...rules.map((rule) => rule.body)])))
  return body
}

const isFor = ({ matches, selector }: Rule, group: string, container: ContainerGroup | undefined, pods: Pods): boolean =>
  matches(group) && (selector === undefined || (container !== undefined && selects(selector, container, pods)))

interface Found {
  readonly group: string
  readonly name: string | undefined
  readonly rules: ReadonlyArray<Rule>
  readonly body: RuleBody
  /** What its pod's annotations asked for in vain. */
  readonly refused: ReadonlyArray<string>
  /** Why it is protected itself. */
  readonly protection: string | undefined
}

const protectionOf = (
  group: string,
  container: ContainerGroup | undefined,
  body: RuleBody,
  { config, own }: PlanInput
): string | undefined => {
  if (own.includes(group)) return "wmod itself runs in it"
  if (body.protect === true) return "protected by a rule"
  if (config.isProtected(group)) return "protected"
  return container?.pod?.qos === "guaranteed" && body.protect === undefined
    ? "the pod is Guaranteed; `protect: false` lets it be acted on"
    : undefined
}

const annotated = (container: ContainerGroup | undefined, { annotations, policy = none }: RuleBody, pods: Pods) => {
  const pod = container?.pod === undefined ? undefined : pods.get(container.pod.uid)
  return pod === undefined || annotations === undefined ? undefined : askedBy(pod.annotations, annotations, policy)
}

const find = (group: string, input: PlanInput): Found => {
  const container = containerOf(group)
  const rules = input.config.rules.filter((rule) => isFor(rule, group, container, input.pods))
  const ruled = ruledBy(input.config, rules)
  const asked = annotated(container, ruled, input.pods)
  const override = input.overrides?.get(group)
  const body = override === undefined && asked === undefined ? ruled : merge([ruled, asked?.body ?? {}, override ?? {}])
  return {
    group,
    name: container === undefined ? undefined : nameOf(container, input.pods),
    rules,
    body,
    refused: asked?.refused ?? [],
    protection: protectionOf(group, container, rules.length === 0 ? {} : body, input)
  }
}

const makePlan = (body: RuleBody): Result.Result<Plan, string> => {
  const { cpuPercent, floorBytes, minuteBytes, policy = none, settings = {}, tickBytes } = body
  return Result.map(
    Result.mapError(decodeSettings(policy.name, policy.settings, settings), ({ message }) => message),
    (values) => {
      const rails: GuardRails = {
        floorBytes: floorBytes ?? defaultGuardRails.floorBytes,
        stepBytes: tickBytes ?? defaultGuardRails.stepBytes,
        perMinuteBytes: minuteBytes ?? defaultGuardRails.perMinuteBytes
      }
      return { policy, settings: values, rails, cpuPercent, key: JSON.stringify([policy.name, values, rails, cpuPercent]) }
    }
  )
}

const plansBy = new WeakMap<RuleBody, Result.Result<Plan, string>>()

/** The same plan for the same body. */
const planOf = (body: RuleBody): Result.Result<Plan, string> => {
  let plan = plansBy.get(body)
  if (plan === undefined) plansBy.set(body, (plan = makePlan(body)))
  return plan
}

const linesOf = (rules: ReadonlyArray<Rule>): string =>
  `rule${rules.length === 1 ? "" : "s"} at line ${rules.map(({ line }) => line).join(", ")}`

/** One entry for every group that a rule picks or that is protected. */
export const planGroups = (input: PlanInput): ReadonlyMap<string, GroupPlan> => {
  const found = [...input.groups].map((group) => find(group, input))
  const protections = new Map(found.flatMap(({ group, protection }) => (protection === undefined ? [] : [[group, protection] as const])))
  /** By group: the nearest below that keeps it from being acted on. */
  const protectedBelow = new Map<string, string>()
  const managedBelow = new Map<string, string>()
  for (const { group, rules } of found) {
    for (const above of ancestorsOf(group)) {
      if (protections.has(group)) protectedBelow.set(above, group)
      else if (rules.length > 0) managedBelow.set(above, group)
    }
  }

  const leftAlone = ({ body, group }: Found): string | undefined => {
    const own = protections.get(group)
    if (own !== undefined) return own
    const above = ancestorsOf(group).find((name) => protections.has(name))
    if (above !== undefined) return `${above} above it is left alone: ${protections.get(above)!}`
    const below = protectedBelow.get(group)
    if (below !== undefined) return `${below} below it must be left alone: ${protections.get(below)!}`
    const deeper = managedBelow.get(group)
    if (deeper !== undefined) return `${deeper} below it has a rule of its own`
    return isWithin(body.schedule, input.time) ? undefined : "outside of its schedule"
  }

  const plans = new Map<string, GroupPlan>()
  for (const each of found) {
    const { body, group, name, refused, rules } = each
    if (rules.length === 0) continue
    const why = leftAlone(each)
    const plan = why === undefined ? planOf(body) : Result.fail(why)
    plans.set(group, {
      group,
      name,
      plan: Result.getOrUndefined(plan),
      why: [Result.isSuccess(plan) ? linesOf(rules) : `${plan.failure} (${linesOf(rules)})`, ...refused].join("; "),
      override: input.overrides?.get(group)
    })
  }
  return plans
}
