/**
 * Drives the kernel's own module DAMON_RECLAIM: cold regions of the whole machine, oldest first, within quotas, while free memory is between
 * watermarks. Source: kernel mm/damon/reclaim.c (Linux 5.16), with its defaults. Kept: it works on all groups, idles while half of memory is
 * free, and passes over memory.min and memory.low. Mended: off at our group's floor and under pressure, the quota within the budget.
 */
import { formatDuration } from "@wmo/core"
import type { ReclaimModuleParameters } from "./Action.ts"
import { hold, holdingSettings, monitoringSettings, notHeld, psiGoal, quotaSettings } from "./damonParts.ts"
import { definePolicy } from "./Policy.ts"
import { duration, flag, percent } from "./Setting.ts"

const { aggregation, regions_max, regions_min, sample } = monitoringSettings

export const damonReclaim = definePolicy({
  name: "damon-reclaim",
  summary: "The kernel's DAMON_RECLAIM module, on the whole machine, watched from the group.",
  source: "DAMON_RECLAIM (Linux 5.16)",
  settings: {
    min_age: duration({ default: "120s", doc: "reclaim regions that have been idle for at least this long" }),
    ...quotaSettings,
    wmark_high: percent({ default: "50%", doc: "stop above this share of free memory" }),
    wmark_mid: percent({ default: "40%", doc: "start below this share of free memory" }),
    wmark_low: percent({ default: "20%", doc: "stop below this share of free memory: the kernel reclaims by itself then" }),
    wmark_interval: duration({ default: "5s", doc: "how often the watermarks are looked at" }),
    psi_goal: psiGoal,
    skip_anon: flag({ default: "off", doc: "leave anon alone (since Linux 6.3)" }),
    sample,
    aggregation,
    regions_min,
    regions_max,
    ...holdingSettings
  },
  needs: ["damon_reclaim"],
  initialState: notHeld,
  decide: (input, state) => {
    const { settings } = input
    const parameters: ReclaimModuleParameters = {
      minAgeUs: settings.min_age * 1000,
      quotaMs: settings.quota_ms,
      quotaBytes: settings.quota_bytes,
      quotaResetIntervalMs: settings.quota_reset,
      wmarksIntervalUs: settings.wmark_interval * 1000,
      wmarksHighPermil: Math.round(settings.wmark_high * 10),
      wmarksMidPermil: Math.round(settings.wmark_mid * 10),
      wmarksLowPermil: Math.round(settings.wmark_low * 10),
      sampleIntervalUs: settings.sample * 1000,
      aggrIntervalUs: settings.aggregation * 1000,
      minNrRegions: settings.regions_min,
      maxNrRegions: settings.regions_max,
      // Left out where they are the kernel's own defaults: older kernels have no such file.
      ...(settings.psi_goal > 0 ? { quotaMemPressureUs: Math.max(1, Math.round(settings.psi_goal * settings.quota_reset * 10)) } : {}),
      ...(settings.skip_anon === 1 ? { skipAnon: true } : {})
    }
    return hold(input, state, {
      on: { _tag: "SetDamonModule", module: "damon_reclaim", parameters },
      off: { _tag: "SetDamonModule", module: "damon_reclaim", parameters: "off" },
      what: `DAMON_RECLAIM of regions idle ≥ ${formatDuration(settings.min_age)}, on the whole machine,`
    })
  }
})
