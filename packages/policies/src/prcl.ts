/**
 * damo's `prcl`: pages out whatever regions of the group's processes have not been used for an age. Source: damon-tests, perf schemes (`prcl`: at
 * least 4 KiB, no access for 5 s). Kept: no watermarks, no weights, no quota unless one is set, no feedback of refaults. Mended: follows processes,
 * off at the floor, under pressure, and when what went to swap has used up the budget of a minute; a PSI goal where wanted.
 */
import { ageOf, formatDuration, makeScheme } from "@wmo/core"
import { goalsOf, holdingSettings, holdSchemes, intervalsOf, monitoringSettings, notHeld, psiGoal } from "./damonParts.ts"
import { definePolicy } from "./Policy.ts"
import { bytes as size, duration } from "./Setting.ts"

export const prcl = definePolicy({
  name: "prcl",
  summary: "A DAMON scheme pages out what the group's processes have not used for an age.",
  source: "damo and damon-tests, scheme `prcl`",
  settings: {
    min_age: duration({ default: "5s", doc: "page out regions that have been idle for at least this long" }),
    quota_bytes: size({
      default: "0",
      doc: "address space paged out per second, what is reserved and was never touched included (V8 and Go reserve much); 0 is no limit but the budget, which counts what went to swap"
    }),
    psi_goal: psiGoal,
    ...monitoringSettings,
    ...holdingSettings
  },
  needs: ["damon"],
  initialState: notHeld,
  decide: (input, state) => {
    const { settings } = input
    const intervals = intervalsOf(settings)
    const hasQuota = settings.quota_bytes > 0 || settings.psi_goal > 0
    const scheme = makeScheme({
      action: "pageout",
      pattern: {
        sz: { min: 4096, max: Infinity },
        nrAccesses: { min: 0, max: 0 },
        age: { min: ageOf(settings.min_age * 1000, intervals), max: Infinity }
      },
      quotas: {
        ...(hasQuota ? { bytes: settings.quota_bytes, resetIntervalMs: 1000 } : {}),
        ...(settings.psi_goal > 0 ? { goals: goalsOf(settings.psi_goal, 1000)! } : {})
      }
    })
    const nrRegions = { min: settings.regions_min, max: settings.regions_max }
    const what = `paging out what was idle ≥ ${formatDuration(settings.min_age)}`
    return holdSchemes(input, state, { on: "processes", intervals, nrRegions, schemes: [scheme] }, what)
  }
})
