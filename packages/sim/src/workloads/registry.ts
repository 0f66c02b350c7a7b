/** The built-in simulated workloads by name, each with the limits of the group that it runs in. */
import type { Bytes } from "@wmo/core"
import type { Workload } from "../Workload.ts"
import { bursts } from "./bursts.ts"
import { hotcold } from "./hotcold.ts"
import { keyValueGauss, keyValueZipf } from "./keyValue.ts"
import { minAge1, minAge2 } from "./minAge.ts"
import { phases } from "./phases.ts"

/** A workload and the group that it runs in. */
export interface SimScenario {
  readonly name: string
  /** What it does and stands for, in one line. */
  readonly summary: string
  /** `memory.high` and `memory.max` of its group; none by default. */
  readonly highBytes?: Bytes
  readonly maxBytes?: Bytes
  readonly make: () => Workload
}

export const simScenarios: ReadonlyArray<SimScenario> = [
  {
    name: "hotcold",
    summary: "hot, warm (every 30 s) and cold memory: the lab's real workload",
    make: () => hotcold({ thinkUs: 160, scanUs: 5, scanEveryMs: 30_000 })
  },
  { name: "phases", summary: "the working set moves every six minutes and comes back after half an hour", make: () => phases() },
  { name: "bursts", summary: "a large set is used for 10 s every two minutes, a core always", make: () => bursts() },
  { name: "min-age-1", summary: "a region is used wholly for 30 s, then a tenth of it for 30 s", make: () => minAge1() },
  { name: "min-age-2", summary: "four regions are used for 30 s in turn, each again after 90 s", make: () => minAge2() },
  { name: "kv-zipf", summary: "a key-value store read by Zipf's law, hot and cold items on the same pages", make: () => keyValueZipf() },
  { name: "kv-gauss", summary: "a key-value store read as memtier's G:G reads it, hot keys side by side", make: () => keyValueGauss() }
]

export const findSimScenario = (name: string): SimScenario | undefined => simScenarios.find((scenario) => scenario.name === name)
