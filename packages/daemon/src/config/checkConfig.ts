/**
 * Checks the text of a configuration as a whole and makes a `Config` of it, or all of its problems. Pure: modules with policies have been loaded
 * before (`loadConfig`).
 */
import { type Bytes, type Milliseconds, parseBytes, parseDuration } from "@wmo/core"
import { type AnyPolicy, decodeSettings, none } from "@wmo/policies"
import { Result } from "effect"
import { posix } from "node:path"
import picomatch from "picomatch"
import type { Selector } from "../containers/selectors.ts"
import { checkAnnotations } from "./checkAnnotations.ts"
import { checkPods } from "./checkPods.ts"
import type { Config, ConfiguredMonitor, EmergencyStop, Rule, RuleBody } from "./Config.ts"
import { type ConfigFile, parseAddress, parsePercent, parseTimeOfDay, weekdays } from "./ConfigFile.ts"
import { type ConfigProblem, ConfigRejected } from "./ConfigProblem.ts"
import type { Schedule } from "./schedule.ts"
import { readShape } from "./readShape.ts"
import { suggestion } from "./shapeProblems.ts"
import { readYaml, type ValuePath, type YamlText } from "./YamlText.ts"

export interface CheckOptions {
  /** What problems call the file; paths in it are relative to its directory. */
  readonly file: string
  /** All there are, third-party ones included. */
  readonly policies: ReadonlyArray<AnyPolicy>
  /** Those of the file, loaded. */
  readonly monitors?: ReadonlyArray<ConfiguredMonitor> | undefined
  /** Where the journal goes unless the file says so. */
  readonly stateDirectory: string
}

type FileBody = NonNullable<ConfigFile["defaults"]>
type FileRule = NonNullable<ConfigFile["rules"]>[number]
type Amount = string | number
export type Say = (path: ValuePath, what: string, at?: "key" | "value") => void

const day: Milliseconds = 86_400_000
const gib: Bytes = 2 ** 30
const leastEveryMs = 10
const idleShare = 8
const ownMemory: Bytes = 150 * 2 ** 20
const globOptions = { dot: true, nonegate: true } as const

/** The Schema has checked that it can be read. */
const bytesOf = (amount: Amount): Bytes => Result.getOrThrow(parseBytes(String(amount)))
const timeOf = (amount: Amount): Milliseconds => Result.getOrThrow(parseDuration(String(amount)))
const percentOf = (amount: Amount): number => Result.getOrThrow(parsePercent(String(amount)))
const listOf = <A>(value: A | ReadonlyArray<A>): ReadonlyArray<A> => (Array.isArray(value) ? (value as ReadonlyArray<A>) : [value as A])
const trim = (glob: string): string => glob.replace(/^\/+|\/+$/g, "")
const optional = <A, B>(value: A | undefined, f: (value: A) => B): B | undefined => (value === undefined ? undefined : f(value))

const matcher = (globs: ReadonlyArray<string>): ((text: string) => boolean) => {
  const matchers = globs.flatMap((glob) => (trim(glob) === "" ? [] : [picomatch(trim(glob), globOptions)]))
  return (text) => matchers.some((matches) => matches(text))
}

/** Globs over whole texts: labels and names have no components. */
const textMatcher = (glob: string): ((text: string) => boolean) => picomatch(glob, { ...globOptions, bash: true })

const scheduleOf = (windows: NonNullable<FileBody["schedule"]>): Schedule =>
  windows.map(({ days = weekdays, from, to }) => ({
    days,
    fromMinutes: Result.getOrThrow(parseTimeOfDay(String(from))),
    toMinutes: Result.getOrThrow(parseTimeOfDay(String(to)))
  }))

const selectorOf = ({ annotations = {}, container, labels = {}, namespace, pod, qos }: NonNullable<FileRule["kubernetes"]>): Selector => ({
  qos: optional(qos, (value) => listOf(value)),
  namespace: optional(namespace, textMatcher),
  pod: optional(pod, textMatcher),
  labels: Object.entries(labels).map(([name, glob]) => [name, textMatcher(glob)] as const),
  annotations: Object.entries(annotations).map(([name, glob]) => [name, textMatcher(glob)] as const),
  container: optional(container, textMatcher)
})

/** Settings must belong to the policy of the same rule; where it names none, to one that a group of the rule may have from before. */
const checkSettings = (
  settings: Readonly<Record<string, string>>,
  candidates: ReadonlyArray<AnyPolicy>,
  path: ValuePath,
  say: Say
): void => {
  for (const [name, value] of Object.entries(settings)) {
    const answers = candidates.map((policy) => decodeSettings(policy.name, policy.settings, { [name]: value }))
    if (answers.some(Result.isSuccess)) continue
    const knowing = candidates.findIndex((policy) => Object.hasOwn(policy.settings, name))
    const failure = answers.filter(Result.isFailure).at(knowing)
    if (failure !== undefined) say([...path, "settings", name], failure.failure.message, knowing < 0 ? "key" : "value")
  }
}

const checkBody = (body: FileBody, path: ValuePath, options: CheckOptions, before: ReadonlyArray<AnyPolicy>, say: Say): RuleBody => {
  const policy = options.policies.find(({ name }) => name === body.policy)
  if (body.policy !== undefined && policy === undefined) {
    const names = options.policies.map(({ name }) => name)
    say([...path, "policy"], `there is no policy "${body.policy}"; ${suggestion(body.policy, names)}`)
  }
  const settings = optional(body.settings, (values) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, typeof value === "boolean" ? (value ? "on" : "off") : String(value)])
    )
  )
  // A policy that does not exist is one problem, not one for each of its settings.
  if (settings !== undefined && (body.policy === undefined || policy !== undefined))
    checkSettings(settings, policy === undefined ? before : [policy], path, say)
  return {
    policy,
    settings,
    floorBytes: optional(body.floor, bytesOf),
    tickBytes: optional(body.budget?.tick, bytesOf),
    minuteBytes: optional(body.budget?.minute, bytesOf),
    cpuPercent: optional(body.budget?.cpu, percentOf),
    protect: body.protect,
    schedule: optional(body.schedule, scheduleOf),
    annotations: optional(body.annotations, (given) =>
      checkAnnotations(given, [...path, "annotations"], options.policies, policy === undefined ? before : [policy], say)
    )
  }
}

const checkGlobs = (globs: ReadonlyArray<string>, path: (i: number) => ValuePath, say: Say): void => {
  for (const [i, glob] of globs.entries()) {
    if (trim(glob) === "") say(path(i), "the root group cannot be named: everything is below it; name groups, or `*` for those at the top")
    else if (glob.startsWith("/sys/fs/cgroup")) say(path(i), `${glob}: write the path below the mount, without /sys/fs/cgroup`)
  }
}

const checkRules = (
  rules: ReadonlyArray<FileRule>,
  places: ReadonlyArray<number>,
  defaults: RuleBody,
  options: CheckOptions,
  yaml: YamlText,
  say: Say
) => {
  const policies = [defaults.policy ?? none]
  return rules.map((rule, i): Rule => {
    const path = ["rules", places[i]!]
    if (rule.match === undefined && rule.kubernetes === undefined)
      say(path, "a rule needs `match` or `kubernetes`: which groups is it for?")
    const globs = optional(rule.match, (value) => listOf(value)) ?? []
    checkGlobs(globs, (n) => (Array.isArray(rule.match) ? [...path, "match", n] : [...path, "match"]), say)
    const body = checkBody(rule, path, options, policies, say)
    if (body.policy !== undefined) policies.push(body.policy)
    return {
      line: yaml.problem(path, "").line,
      globs,
      matches: globs.length === 0 ? () => true : matcher(globs),
      selector: optional(rule.kubernetes, selectorOf),
      body
    }
  })
}

const checkEmergency = (given: ConfigFile["emergency_stop"], say: Say): EmergencyStop | undefined => {
  if (given === "off") return undefined
  const { available = "2%", pressure = "40%", resume_after = "1m" } = given ?? {}
  const text = String(available)
  const amount: Result.Result<EmergencyStop["available"], string> = text.trim().endsWith("%")
    ? Result.map(parsePercent(text), (percent) => ({ percent }))
    : Result.map(parseBytes(text), (bytes) => ({ bytes }))
  if (Result.isFailure(amount)) say(["emergency_stop", "available"], `available: ${amount.failure}`)
  return {
    pressurePercent: percentOf(pressure),
    available: Result.getOrElse(amount, () => ({ percent: 2 })),
    resumeAfterMs: timeOf(resume_after)
  }
}

const recordingOf = (given: ConfigFile["recording"], inDirectory: (path: string) => string): Config["recording"] =>
  given === undefined || given === "off"
    ? undefined
    : {
        directory: inDirectory(given.directory),
        keepForMs: optional(given.keep_for, timeOf) ?? 7 * day,
        keepBytes: optional(given.keep_size, bytesOf) ?? gib
      }

const ownBudgetOf = ({ cpu, memory }: NonNullable<ConfigFile["self"]> = {}): Config["ownBudget"] => ({
  cpuPercent: cpu === "off" ? undefined : (optional(cpu, percentOf) ?? 10),
  memoryBytes: memory === "off" ? undefined : (optional(memory, bytesOf) ?? ownMemory)
})

/** A `Config`, or `ConfigRejected` with everything that is wrong. */
export const checkConfig = (text: string, options: CheckOptions): Result.Result<Config, ConfigRejected> => {
  const yaml = readYaml(text)
  const reject = (problems: ReadonlyArray<ConfigProblem>) => Result.fail(new ConfigRejected({ file: options.file, problems }))
  if (yaml.problems.length > 0) return reject(yaml.problems)
  const { file, places, problems } = readShape(yaml)
  if (file === undefined) return reject(problems)
  const say: Say = (path, what, at) => void problems.push(yaml.problem(path, what, at))
  const inDirectory = (path: string): string => posix.resolve(posix.dirname(options.file), path)
  const everyMs = optional(file.every, timeOf) ?? 1000
  const idleEveryMs = file.idle_every === "off" ? everyMs : (optional(file.idle_every, timeOf) ?? idleShare * everyMs)
  if (everyMs < leastEveryMs) say(["every"], `every: at least ${leastEveryMs}ms`)
  const http = file.server?.http ?? "127.0.0.1:9273"
  const address = http === "off" ? undefined : parseAddress(http)
  if (address !== undefined && Result.isFailure(address)) say(["server", "http"], `http: ${address.failure}`)
  const protectedGlobs = file.protected ?? []
  checkGlobs(protectedGlobs, (i) => ["protected", i], say)
  const defaults = checkBody(file.defaults ?? {}, ["defaults"], options, [none], say)
  const stateDirectory = optional(file.state_directory, inDirectory) ?? options.stateDirectory
  const config: Config = {
    file: options.file,
    everyMs,
    idleEveryMs,
    ownBudget: ownBudgetOf(file.self),
    dryRun: file.dry_run ?? false,
    defaults,
    rules: checkRules(file.rules ?? [], places, defaults, options, yaml, say),
    protectedGlobs,
    isProtected: matcher(protectedGlobs),
    emergencyStop: checkEmergency(file.emergency_stop, say),
    recording: recordingOf(file.recording, inDirectory),
    stateDirectory,
    socket: optional(file.server?.socket, inDirectory) ?? posix.join(stateDirectory, "wmod.sock"),
    http: address !== undefined && Result.isSuccess(address) ? address.success : undefined,
    httpNames: file.server?.names ?? [],
    pods: optional(file.pods, (given) => checkPods(given, inDirectory, say)),
    policies: options.policies,
    monitors: options.monitors ?? []
  }
  return problems.length > 0 ? reject(problems) : Result.succeed(config)
}
