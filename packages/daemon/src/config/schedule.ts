/**
 * Times of day and weekdays at which a rule acts. A window that ends before it begins goes on into the next day, and belongs to the day on which
 * it began. Pure; the machine's time zone is the caller's.
 */
import type { weekdays } from "./ConfigFile.ts"

type Weekday = (typeof weekdays)[number]

/** Minutes of the day, 0 to 1440. */
interface Window {
  readonly days: ReadonlyArray<Weekday>
  readonly fromMinutes: number
  readonly toMinutes: number
}

export type Schedule = ReadonlyArray<Window>

export interface LocalTime {
  readonly day: Weekday
  readonly minutes: number
}

const order: ReadonlyArray<Weekday> = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
const dayBefore = (day: Weekday): Weekday => order[(order.indexOf(day) + 6) % 7]!

const isWithinWindow = ({ days, fromMinutes, toMinutes }: Window, { day, minutes }: LocalTime): boolean => {
  if (fromMinutes < toMinutes) return days.includes(day) && minutes >= fromMinutes && minutes < toMinutes
  return (days.includes(day) && minutes >= fromMinutes) || (days.includes(dayBefore(day)) && minutes < toMinutes)
}

/** Always, where there is no schedule; never within an empty one. */
export const isWithin = (schedule: Schedule | undefined, time: LocalTime): boolean =>
  schedule === undefined || schedule.some((window) => isWithinWindow(window, time))

/** In the machine's time zone. */
export const localTime = (ms: number): LocalTime => {
  const date = new Date(ms)
  return { day: order[date.getDay()]!, minutes: date.getHours() * 60 + date.getMinutes() }
}
