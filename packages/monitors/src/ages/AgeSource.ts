/**
 * Where page ages can come from, and what each is worth: resolution, cost and bias as data, so that whoever shows a number can say them.
 * Chosen by `chooseAgeSource`; no source is started here.
 */
import type { Milliseconds } from "@wmo/core"

/** `working-set`: out-of-tree kernel reports. `mglru`: generations, four at most. `damon-…`: regions. `idle-pages`: the idle bitmap. */
export type PageAgeSource = "working-set" | "mglru" | "damon-vaddr" | "idle-pages"

export interface AgeSourceDescription {
  readonly source: PageAgeSource
  /** How finely ages are told apart. */
  readonly resolution: string
  readonly cost: string
  /** In which direction, and when, its numbers are wrong. */
  readonly bias: string
  /** How it comes to a promotion histogram. */
  readonly promotions: "measured" | "estimated from refaults" | "estimated from generations and refaults"
}

const seconds = (ms: Milliseconds): string => `${ms / 1000} s`

/** `everyMs`: how often ages are advanced; undefined: only when the kernel does. */
export const describeAgeSource = (source: PageAgeSource, everyMs: Milliseconds | undefined): AgeSourceDescription => {
  switch (source) {
    case "working-set":
      return {
        source,
        resolution: everyMs === undefined ? "the kernel's refresh interval" : seconds(everyMs),
        cost: "a walk of the group's page tables whenever a report is older than its refresh interval",
        bias: "bytes are spread evenly within a generation, and there are four: ages finer than the refresh interval are interpolated",
        promotions: "estimated from refaults"
      }
    case "mglru":
      return {
        source,
        resolution:
          everyMs === undefined
            ? "four generations, made when the kernel reclaims: on an idle machine hours"
            : `four generations, one every ${seconds(everyMs)}: ages beyond ${seconds(2 * everyMs)} are not told apart`,
        cost:
          everyMs === undefined
            ? "one read of lru_gen a look, for all groups"
            : "one read of lru_gen a look; a walk of the page tables of every group whenever it is aged",
        bias: "cold bytes are a lower bound, since a generation counts with its younger edge; what was used since the last aging still counts as old",
        promotions: "estimated from generations and refaults"
      }
    case "damon-vaddr":
      return {
        source,
        resolution: `${seconds(everyMs ?? 1000)} and one region: 512 KiB up to 512 MiB of memory, more beyond`,
        cost: "one page table entry and one trace line a region and interval; smaps and a page map scan of every process each ten intervals (milliseconds a GiB)",
        bias: "one page stands for its region: memory used in spots smaller than a region is told by chance. Sees what processes map, not the page cache that they only read and write; shared memory counts in parts",
        promotions: "measured"
      }
    case "idle-pages":
      return {
        source,
        resolution: `${seconds(everyMs ?? 30_000)}, page by page`,
        cost: "a scan of the page map and the bitmap: about a second of CPU per 4 GiB and scan",
        bias: "of huge pages only the whole is seen; ages are rounded down to the scan period; what is swapped out counts from when it went",
        promotions: "measured"
      }
  }
}
