/**
 * damo's `ethp`: huge pages for regions that are used, none for those that are not. Saves what huge pages waste, reclaims nothing itself. Source:
 * damon-tests, perf schemes (`ethp`: hugepage from 5 % of samples on, nohugepage for 2 MiB and more unused for 7 s). Kept: all of it;
 * needs THP in `madvise` or `always`. Mended: follows processes.
 */
import { ageOf, formatDuration, makeScheme } from "@wmo/core"
import { holdingSettings, holdSchemes, intervalsOf, monitoringSettings, notHeld } from "./damonParts.ts"
import { definePolicy } from "./Policy.ts"
import { duration, percent } from "./Setting.ts"

export const ethp = definePolicy({
  name: "ethp",
  summary: "DAMON schemes give huge pages to used regions of the group's processes, and take them from unused ones.",
  source: "damo and damon-tests, scheme `ethp`",
  settings: {
    used: percent({ default: "5%", doc: "regions found used in at least this share of samples get huge pages" }),
    unused_age: duration({ default: "7s", doc: "regions of 2 MiB and more lose them after being idle for this long" }),
    ...monitoringSettings,
    ...holdingSettings
  },
  needs: ["damon"],
  initialState: notHeld,
  decide: (input, state) => {
    const { settings } = input
    const intervals = intervalsOf(settings)
    const samples = Math.max(1, Math.floor(intervals.aggrUs / intervals.sampleUs))
    const schemes = [
      makeScheme({
        action: "hugepage",
        pattern: { nrAccesses: { min: Math.max(1, Math.ceil((settings.used / 100) * samples)), max: Infinity } }
      }),
      makeScheme({
        action: "nohugepage",
        pattern: {
          sz: { min: 2 ** 21, max: Infinity },
          nrAccesses: { min: 0, max: 0 },
          age: { min: ageOf(settings.unused_age * 1000, intervals), max: Infinity }
        }
      })
    ]
    const what = `huge pages where ${settings.used} % of samples are used, none where idle ≥ ${formatDuration(settings.unused_age)},`
    const nrRegions = { min: settings.regions_min, max: settings.regions_max }
    return holdSchemes(input, state, { on: "processes", intervals, nrRegions, schemes }, what)
  }
})
