/**
 * What is nonsense about a policy's answer: what the actuator could not carry out or people could not read. Pure. Whether it is wise is the guard
 * rails' to say.
 */

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null
const isAmount = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0
const isSwappiness = (value: unknown): boolean => value === undefined || value === "max" || (isAmount(value) && (value as number) <= 200)
const mostActions = 64

/** By tag: whether the action's fields can be used. */
const checks: Readonly<Record<string, (action: Fields) => boolean>> = {
  Age: () => true,
  Reclaim: ({ bytes, swappiness }) => isAmount(bytes) && isSwappiness(swappiness),
  SetHigh: ({ limit }) => limit === "max" || isAmount(limit),
  Evict: ({ bytes, olderThanMs, swappiness }) =>
    isAmount(bytes) && isAmount(olderThanMs) && isSwappiness(swappiness) && swappiness !== "max",
  SetSchemes: ({ intervals, nrRegions, on, schemes }) =>
    (on === "physical" || on === "processes") &&
    isObject(intervals) &&
    isObject(nrRegions) &&
    Array.isArray(schemes) &&
    schemes.every(isObject),
  SetDamonModule: ({ module, parameters }) => module === "damon_reclaim" && (parameters === "off" || isObject(parameters))
}

/** A phrase; undefined where the answer can be used. */
export const decisionProblem = (decision: unknown): string | undefined => {
  if (!isObject(decision)) return "it answered with no decision"
  const { actions, reason } = decision
  if (typeof reason !== "string" || reason === "") return "it gave no reason"
  if (!Array.isArray(actions)) return "its actions are no list"
  if (actions.length > mostActions) return `it asked for ${actions.length} actions at once`
  for (const action of actions as ReadonlyArray<unknown>) {
    const tag = isObject(action) ? action["_tag"] : undefined
    const isUsable = typeof tag === "string" && Object.hasOwn(checks, tag) ? checks[tag]! : undefined
    if (isUsable === undefined) return `it asked for an action that there is not (${String(tag)})`
    if (!isUsable(action as Fields)) return `it asked for ${String(tag)} with amounts that are none`
  }
  return undefined
}
