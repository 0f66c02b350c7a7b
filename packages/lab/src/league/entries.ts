/**
 * Who plays in the league: a policy with settings under a label. The default list has every rival of WMO's notes, the ones built on DAMON with
 * their age swept, since the best fixed age differs from workload to workload. `none` is not an entry: it is run beside all of them.
 */
import { decodeSettings, findPolicy } from "@wmo/policies"
import { Result } from "effect"

export interface LeagueEntry {
  readonly label: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
}

export const baseline: LeagueEntry = { label: "none", policy: "none", settings: {} }

const entry = (policy: string, settings: Readonly<Record<string, string>> = {}, label = policy): LeagueEntry => ({
  label,
  policy,
  settings
})

/** In seconds. */
const sweptAges = [3, 5, 10, 20, 30]
/** Stall that is aimed at: what issue and paper call harmless. */
const psiGoal = "0.1%"
/**
 * DAMON tuned for a slow machine: with the kernel's own 5 ms and 1,000 regions a kdamond takes a whole emulated CPU to look. No quota but the guard
 * rails': with DAMON_RECLAIM's 128 MiB and 10 ms a second most of it goes to memory that is free.
 */
const seldom = { sample: "50ms", aggregation: "500ms", regions_max: "300" }
const unlimited = { quota_ms: "0", quota_bytes: "0" }
/** The kernel's module idles while half of memory is free: in a guest with room it would never start. */
const alwaysOn = { wmark_high: "100%", wmark_mid: "99.9%", wmark_low: "0.1%" }

export const knownEntries: ReadonlyArray<LeagueEntry> = [
  entry("senpai"),
  entry("senpai-oomd"),
  entry("tmo"),
  entry("periodic"),
  ...sweptAges.map((age) => entry("darc", { min_age: `${age}s`, ...unlimited, ...seldom }, `darc-${age}s`)),
  entry("darc", { min_age: "5s", quota_ms: "0", psi_goal: psiGoal, ...seldom }, "darc-5s-psi"),
  ...sweptAges.map((age) => entry("prcl", { min_age: `${age}s`, ...seldom }, `prcl-${age}s`)),
  entry("prcl", { min_age: "5s", psi_goal: psiGoal, ...seldom }, "prcl-5s-psi"),
  ...sweptAges.map((age) => entry("damon-reclaim", { min_age: `${age}s`, ...unlimited, ...seldom, ...alwaysOn }, `damon-reclaim-${age}s`)),
  entry("damon-reclaim", { min_age: "5s", quota_ms: "0", psi_goal: psiGoal, ...seldom, ...alwaysOn }, "damon-reclaim-5s-psi"),
  entry("lru-gen"),
  entry("far-memory"),
  entry("slo")
]

/** Policies that see by DAMON: the rivals of which the best-tuned one counts. */
export const isDamon = ({ policy }: Pick<LeagueEntry, "policy">): boolean => ["darc", "prcl", "damon-reclaim", "ethp"].includes(policy)

/** `darc-5s` (a known label), `senpai` (a policy), `darc:min_age=7s,quota_ms=100` (with settings). Fails with one line. */
export const parseEntry = (text: string): Result.Result<LeagueEntry, string> => {
  const known = knownEntries.find(({ label }) => label === text)
  if (known !== undefined) return Result.succeed(known)
  const colon = text.indexOf(":")
  const name = colon === -1 ? text : text.slice(0, colon)
  if (name === baseline.policy) return Result.fail("none is run beside every entry anyway: leave it out")
  const policy = findPolicy(name)
  if (Result.isFailure(policy)) {
    const hint = `give a policy, or a label: ${knownEntries.map(({ label }) => label).join(", ")}`
    return Result.fail(colon === -1 ? `${policy.failure.message}; ${hint}` : policy.failure.message)
  }
  const settings: Record<string, string> = {}
  for (const pair of colon === -1 ? [] : text.slice(colon + 1).split(",")) {
    const equals = pair.indexOf("=")
    if (equals < 1) return Result.fail(`"${pair}" in entry "${text}" is not KEY=VALUE`)
    settings[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  const decoded = decodeSettings(policy.success.name, policy.success.settings, settings)
  return Result.isFailure(decoded) ? Result.fail(decoded.failure.message) : Result.succeed(entry(name, settings, text))
}
