/**
 * Amounts, shares, rates and times as the page shows them: three digits at most, units as they are named in the kernel's documentation. Pure; knows
 * no DOM. `@wmo/core` has the like for terminals; nothing of it is loaded here.
 */

const none = "–"
const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))

export const bytes = (value: number | undefined | null): string => {
  if (value === undefined || value === null) return none
  let amount = value
  let unit = 0
  while (amount >= 1023.5 && unit < units.length - 1) {
    amount /= 1024
    unit++
  }
  return `${unit === 0 ? amount.toFixed(0) : digits(amount)} ${units[unit]}`
}

/** `value` in percent. */
export const percent = (value: number | undefined | null): string => {
  if (value === undefined || value === null) return none
  if (value === 0) return "0 %"
  return value < 0.01 ? "< 0.01 %" : `${digits(value)} %`
}

export const perSecond = (value: number | undefined | null): string => {
  if (value === undefined || value === null) return none
  if (value === 0) return "0"
  if (value < 0.1) return "< 0.1"
  return value >= 10_000 ? `${digits(value / 1000)} k` : value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

export const count = (value: number): string => value.toLocaleString("en-US").replaceAll(",", "\u202f")

export const duration = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return ms > 0 && ms < 950 ? `${Math.round(ms)} ms` : `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return seconds % 60 === 0 || minutes >= 10 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** How long ago; at once is now. */
export const ago = (ms: number): string => (ms < 1500 ? "now" : `${duration(ms)} ago`)

export const timeOfDay = (ms: number): string => new Date(ms).toTimeString().slice(0, 8)
