/** The built-in simulated workloads by name, each with the limits of the group that it runs in. */
import type { Bytes } from "@wmo/core"
import type { Workload } from "../Workload.ts"
import { build } from "./build.ts"
import { bursts } from "./bursts.ts"
import { cacheFiller } from "./cacheFiller.ts"
import { hotcold } from "./hotcold.ts"
import { keyValueGauss, keyValueZipf } from "./keyValue.ts"
import { mib } from "./layout.ts"
import { minAge1, minAge2 } from "./minAge.ts"
import { phases } from "./phases.ts"
import { scans } from "./scans.ts"
import { server } from "./server.ts"
import { anonStreamer, forkExecStorm, forkExitStorm, forkTouchExit, interactiveBurst, mmapChurn, randomTouchHeap } from "./structured.ts"

/** A workload and the group that it runs in. */
export interface SimScenario {
  readonly name: string
  /** What it does and stands for, in one line. */
  readonly summary: string
  /** `comparison`: what policies are compared on unless told otherwise. `stress`: the seven of the memory-pressure lab. */
  readonly suite: "comparison" | "stress"
  /** `memory.high` and `memory.max` of its group; none by default. */
  readonly highBytes?: Bytes
  readonly maxBytes?: Bytes
  readonly make: () => Workload
}

const comparison = (
  name: string,
  summary: string,
  make: () => Workload,
  limits: Pick<SimScenario, "highBytes" | "maxBytes"> = {}
): SimScenario => ({
  name,
  summary,
  suite: "comparison",
  make,
  ...limits
})

const stress = (name: string, summary: string, make: () => Workload): SimScenario => ({ name, summary, suite: "stress", make })

export const simScenarios: ReadonlyArray<SimScenario> = [
  comparison("hotcold", "hot, warm (every 30 s) and cold memory: the lab's real workload", () =>
    hotcold({ thinkUs: 160, scanUs: 5, scanEveryMs: 30_000 })
  ),
  comparison("phases", "the working set moves every four minutes and comes back after twenty", () => phases()),
  comparison("bursts", "a large set is used for 10 s every two minutes, a core always", () => bursts()),
  comparison("scans", "look-ups in an index, a large file read every quarter of an hour, another read once", () => scans()),
  comparison("min-age-1", "a region is used wholly for 30 s, then a tenth of it for 30 s", () => minAge1()),
  comparison("min-age-2", "four regions are used for 30 s in turn, each again after 90 s", () => minAge2()),
  comparison("cache-filler", "logs and files that are read once fill the page cache up to the group's limit", () => cacheFiller(), {
    maxBytes: 384 * mib
  }),
  comparison("kv-zipf", "a key-value store read by Zipf's law, hot and cold items on the same pages", () => keyValueZipf()),
  comparison("kv-gauss", "a key-value store read as memtier's G:G reads it, hot keys side by side", () => keyValueGauss()),
  comparison("build", "compilers come and go over a page cache of sources and headers, with pauses", () => build()),
  comparison("server", "a web application: code, sessions that age, caches with long tails, a periodic job", () => server()),
  stress("anon-streamer", "sequential sweeps over anonymous memory with short pauses", () => anonStreamer()),
  stress("interactive-burst", "a region used over and over for a second, then idle for nine", () => interactiveBurst()),
  stress("random-touch-heap", "pages of a heap at random, all alike: nothing is cold for long", () => randomTouchHeap()),
  stress("mmap-churn", "maps, writes and unmaps all the time, beside memory that is used in turn", () => mmapChurn()),
  stress("fork-exit-storm", "processes that exit at once", () => forkExitStorm()),
  stress("fork-touch-exit", "processes that touch a little memory and exit", () => forkTouchExit()),
  stress("fork-exec-storm", "processes that run a small program", () => forkExecStorm())
]

export const findSimScenario = (name: string): SimScenario | undefined => simScenarios.find((scenario) => scenario.name === name)
