/**
 * What is played on: `wmo workload` commands under a name. The default list keeps each within a guest of 2 GiB. Those that touch memory
 * themselves have the emulated processor forget its translations every 20 ms, or what they use all the time would look idle.
 */
import { formatDuration, type Milliseconds } from "@wmo/core"
import { Result } from "effect"
import { memoryWorkloadNames } from "../workloads/memory/plans.ts"

export interface LeagueWorkload {
  readonly name: string
  /** After `wmo workload`; without what the league sets: `--duration`, `--json` and those of `setByLeague`. */
  readonly args: ReadonlyArray<string>
}

const forget = ["--forget-every", "20ms"]

export const knownWorkloads: ReadonlyArray<LeagueWorkload> = [
  { name: "hotcold", args: ["hotcold", "--hot", "30M", "--warm", "40M", "--cold", "200M", ...forget] },
  { name: "bursts", args: ["bursts", "--hot", "30M", "--burst", "100M", "--cold", "140M", ...forget] },
  { name: "min-age-1", args: ["min-age-1", "--period", "10s", "--bytes", "300M", ...forget] },
  { name: "min-age-2", args: ["min-age-2", "--period", "6s", "--bytes", "300M", ...forget] },
  { name: "redis", args: ["redis", "--keys", "40000", "--value", "6K"] },
  { name: "compile", args: ["compile"] }
]

const hasWarmup = ([kind]: ReadonlyArray<string>): boolean => memoryWorkloadNames.some((name) => name === kind)

/** Flags that are not the user's to give, and why. */
const setByLeague = (args: ReadonlyArray<string>): Readonly<Record<string, string>> => ({
  "--duration": "the league sets it",
  "--json": "the league sets it",
  ...(hasWarmup(args) ? { "--warmup": "what is not measured is the league's --settle" } : {}),
  ...(hasClient(args) ? { "--server-group": "the league sets it" } : {})
})

/** Why the league cannot play these words after `wmo workload`. */
const refusal = (args: ReadonlyArray<string>): string | undefined => {
  if (args[0] === "pattern") return "pattern does not say when it starts nor how fast it is, so there is nothing to measure"
  const reserved = Object.entries(setByLeague(args)).find(([flag]) => args.some((word) => word === flag || word.startsWith(`${flag}=`)))
  return reserved === undefined ? undefined : `leave out ${reserved[0]}, ${reserved[1]}`
}

/** `redis` (a known name), or `NAME=ARGS…` with words between blanks, as after `wmo workload`. Fails with one line. */
export const parseWorkload = (text: string): Result.Result<LeagueWorkload, string> => {
  const known = knownWorkloads.find(({ name }) => name === text)
  if (known !== undefined) return Result.succeed(known)
  const match = /^([A-Za-z0-9._-]+)=(\S.*)$/.exec(text)
  if (match === null) {
    const names = knownWorkloads.map(({ name }) => name).join(", ")
    return Result.fail(`there is no workload "${text}"; there are ${names}; or give NAME=ARGS, for example big=hotcold --cold 1G`)
  }
  const args = match[2]!.trim().split(/\s+/)
  const why = refusal(args)
  return why === undefined ? Result.succeed({ name: match[1]!, args }) : Result.fail(`workload "${match[1]}": ${why}`)
}

/** Whether these words after `wmo workload` are a client that starts its server with `--server-group`. */
export const hasClient = ([kind]: ReadonlyArray<string>): boolean => kind === "redis"

/** The words after `wmo workload`. What is measured begins when they are loaded, as with the workloads that have no warm-up: it belongs to settling. */
export const workloadWords = (workload: LeagueWorkload, durationMs: Milliseconds): ReadonlyArray<string> => [
  ...workload.args,
  ...(hasWarmup(workload.args) ? ["--warmup", "0s"] : []),
  "--duration",
  formatDurationWord(durationMs)
]

/** As `--duration` takes it. */
const formatDurationWord = (durationMs: Milliseconds): string => (durationMs % 1000 === 0 ? `${durationMs / 1000}s` : `${durationMs}ms`)

export const describeWorkload = (workload: LeagueWorkload, durationMs: Milliseconds): string =>
  `wmo workload ${workload.args.join(" ")}, ${formatDuration(durationMs)}`
