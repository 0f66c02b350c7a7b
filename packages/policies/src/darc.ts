/**
 * DARC: reclaim by DAMON, the regions least used for the longest time first, within quotas, while free memory is between watermarks; as a kdamond
 * of our own that pages the group's memory out. Source: SeongJae Park, "Plans around DAMON", linux-mm, 2 December 2020; weights and
 * watermarks of damon-tests' `pdarc`. Kept: no feedback of refaults; paging out passes over memory.min and memory.low in the kernel. Mended: one
 * group only, off at the floor and under pressure, the quota within the budget, a PSI goal where wanted.
 */
import { ageOf, formatDuration, makeScheme } from "@wmo/core"
import { goalsOf, holdingSettings, holdSchemes, intervalsOf, monitoringSettings, notHeld, psiGoal, quotaSettings } from "./damonParts.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, choice, duration, percent, ratio } from "./Setting.ts"

export const darc = definePolicy({
  name: "darc",
  summary: "A DAMON scheme pages the group's coldest regions out, within quotas and watermarks.",
  source: "DARC (SeongJae Park, linux-mm 2020); damon-tests pdarc",
  settings: {
    min_age: duration({ default: "10s", doc: "page out regions that have been idle for at least this long" }),
    on: choice({
      default: "physical",
      words: ["physical", "processes"],
      doc: "watch physical memory, filtered to the group, or the virtual memory of its processes"
    }),
    ...quotaSettings,
    quota_ms: ratio({ default: "50", minimum: 0, maximum: 10_000, doc: "milliseconds of work per reset interval; 0 is no limit" }),
    quota_bytes: size({
      default: "0",
      doc: "memory tried per reset interval, of physical memory that of others, too; 0 is no limit but the budget"
    }),
    weight_accesses: percent({ default: "30%", doc: "how much being little used counts when the quota does not suffice" }),
    weight_age: percent({ default: "70%", doc: "how much being old counts then" }),
    wmark_high: percent({ default: "100%", doc: "stop above this share of free memory" }),
    wmark_mid: percent({ default: "99.9%", doc: "start below this share of free memory" }),
    wmark_low: percent({ default: "0%", doc: "stop below this share of free memory: the kernel reclaims by itself then" }),
    psi_goal: psiGoal,
    ...monitoringSettings,
    ...holdingSettings
  },
  needs: ["damon"],
  initialState: notHeld,
  decide: (input, state) => {
    const { settings } = input
    const intervals = intervalsOf(settings)
    const scheme = makeScheme({
      action: "pageout",
      pattern: {
        sz: { min: 4096, max: Infinity },
        nrAccesses: { min: 0, max: 0 },
        age: { min: ageOf(settings.min_age * 1000, intervals), max: Infinity }
      },
      quotas: {
        ms: settings.quota_ms,
        bytes: settings.quota_bytes,
        resetIntervalMs: settings.quota_reset,
        weights: {
          szPermil: 0,
          nrAccessesPermil: Math.round(settings.weight_accesses * 10),
          agePermil: Math.round(settings.weight_age * 10)
        },
        ...goals(settings.psi_goal, settings.quota_reset)
      },
      watermarks: {
        metric: "free_mem_rate",
        intervalUs: 5_000_000,
        high: Math.round(settings.wmark_high * 10),
        mid: Math.round(settings.wmark_mid * 10),
        low: Math.round(settings.wmark_low * 10)
      }
    })
    const setUp = {
      on: settings.on === 1 ? ("processes" as const) : ("physical" as const),
      intervals,
      nrRegions: { min: settings.regions_min, max: settings.regions_max },
      schemes: [scheme]
    }
    return holdSchemes(input, state, setUp, `paging out regions idle ≥ ${formatDuration(settings.min_age)}`)
  }
})

/** Left out where there is none: kernels before 6.8 know no goals. */
const goals = (percentOfTime: number, resetMs: number) => (percentOfTime > 0 ? { goals: goalsOf(percentOfTime, resetMs)! } : {})
