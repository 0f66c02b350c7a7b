/**
 * senpai.py's law: keep `memory.high` just above what the group needs, by probing down while pressure is low and backing off when the
 * stall budget of an interval is exceeded. Both adjustments are quadratic in the ratio of observed to allowed stall.
 * Source: facebookincubator/senpai, senpai.py. Kept: the law, its constants, one limit that stays set. Mended: stall time is integrated
 * over real time instead of counting one-second loops, and floor and restore are the actuator's business.
 */
import { formatBytes, limitBytes } from "@wmo/core"
import { growth } from "@wmo/monitors"
import { isDue } from "./due.ts"
import { definePolicy } from "./Policy.ts"
import { bytes, duration, ratio } from "./Setting.ts"

interface State {
  readonly limit: number
  readonly stallUs: bigint
  readonly integralUs: number
  readonly nextProbeMs: number
}

const pageAligned = (value: number): number => Math.floor(value / 4096) * 4096

export const senpai = definePolicy({
  name: "senpai",
  summary: "Lowers memory.high by up to 1 % an interval until tasks stall, then backs off.",
  source: "senpai.py (Facebook, 2018)",
  settings: {
    interval: duration({ default: "6s", doc: "time from one probe to the next" }),
    pressure: duration({ default: "10ms", doc: "stall (PSI some) allowed per interval" }),
    max_probe: ratio({ default: "0.01", minimum: 0, maximum: 1, doc: "largest share by which a probe lowers the limit" }),
    max_backoff: ratio({ default: "1", minimum: 0, maximum: 10, doc: "largest share by which a backoff raises the limit" }),
    coeff_probe: ratio({
      default: "10",
      minimum: 0.1,
      maximum: 1000,
      doc: "max_probe is reached when the stall is this many times below what is allowed"
    }),
    coeff_backoff: ratio({
      default: "20",
      minimum: 0.1,
      maximum: 1000,
      doc: "max_backoff is reached when the stall is this many times above what is allowed"
    }),
    min_size: bytes({ default: "100M", doc: "never set the limit below this" }),
    max_size: bytes({ default: "100G", doc: "never set the limit above this" })
  },
  needs: ["pressure", "memory.high"],
  initialState: undefined as State | undefined,
  decide: ({ floorBytes, observation, settings }, state) => {
    const { atMs, pressure, usage } = observation
    const total = pressure?.some?.totalUs
    if (total === undefined) return { actions: [], reason: "the kernel reports no pressure: senpai cannot steer without it", state }

    const clamp = (limit: number) => pageAligned(Math.max(settings.min_size, floorBytes, Math.min(settings.max_size, limit)))
    const set = (limit: number, reason: string, stallUs = total) => ({
      actions: [{ _tag: "SetHigh" as const, limit }],
      reason: `${reason} → memory.high ${formatBytes(limit)}`,
      state: { limit, stallUs, integralUs: 0, nextProbeMs: atMs + settings.interval },
      dueMs: atMs + settings.interval
    })
    if (state === undefined) return set(clamp(usage.currentBytes), `start at the current ${formatBytes(usage.currentBytes)}`)
    if (limitBytes(usage.high) !== state.limit) {
      return set(
        clamp(usage.currentBytes),
        `memory.high is ${usage.high === "max" ? "max" : formatBytes(usage.high)}, not ours: start over`
      )
    }

    const allowedUs = settings.pressure * 1000
    const integralUs = state.integralUs + growth(total, state.stallUs)
    const stalled = `stalled ${(integralUs / 1000).toFixed(1)} ms of ${settings.pressure} ms`
    if (integralUs > allowedUs) {
      const share = Math.min((integralUs / allowedUs / settings.coeff_backoff) ** 2 * settings.max_backoff, settings.max_backoff)
      return set(clamp(state.limit * (1 + share)), `${stalled}: back off by ${(share * 100).toFixed(2)} %`)
    }
    if (!isDue(atMs, state.nextProbeMs, settings.interval)) {
      return {
        actions: [],
        reason: `${stalled}: wait for the next probe`,
        state: { ...state, stallUs: total, integralUs },
        dueMs: state.nextProbeMs
      }
    }
    const share = Math.min((allowedUs / Math.max(integralUs, 1) / settings.coeff_probe) ** 2 * settings.max_probe, settings.max_probe)
    return set(clamp(state.limit * (1 - share)), `${stalled}: probe down by ${(share * 100).toFixed(2)} %`)
  }
})
