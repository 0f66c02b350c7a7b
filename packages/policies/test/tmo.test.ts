import { describe, expect, it } from "vitest"
import { tmo } from "../src/index.ts"
import { anObservation, drive, everySecond } from "../src/testing.ts"
import { asked } from "./actions.ts"

const line = (totalUs: number) => ({ some: { avg10: 0, avg60: 0, avg300: 0, totalUs: BigInt(Math.round(totalUs)) } })
/** 0.05 % of 400 MiB is 209,715 bytes: 51 pages. */
const given = { least: "100K" }
const reclaims = (seconds: number, at: Parameters<typeof everySecond>[1], settings: Record<string, string> = given) =>
  asked(drive(tmo, everySecond(seconds, at), { given: settings }), "Reclaim").map(([second, { bytes, swappiness }]) => [
    second,
    bytes,
    swappiness
  ])

describe("tmo", () => {
  it("reclaims 0.05 % of the group every 6 s when nothing stalls", () => {
    // What is less than a page stays owed: 209,715.2 − 208,896 = 819.2.
    expect(reclaims(13, () => ({}))).toEqual([
      [6, 51 * 4096, undefined],
      [12, 51 * 4096, undefined]
    ])
  })

  it("reclaims half of it at half the threshold, and nothing at the threshold", () => {
    // 0.05 % of 6 s is 3 ms.
    expect(reclaims(7, (second) => ({ pressure: line(second * 500) }))).toEqual([[6, 25 * 4096, undefined]])
    expect(reclaims(60, (second) => ({ pressure: line(second * 1000) }))).toEqual([])
  })

  it("heeds IO pressure as well", () => {
    expect(reclaims(7, (second) => ({ ioPressure: line(second * 500) }))).toEqual([[6, 25 * 4096, undefined]])
    expect(reclaims(60, (second) => ({ ioPressure: line(second * 1500) }))).toEqual([])
  })

  it("saves up what is granted until it is worth a request", () => {
    // 13 steps: 2,726,298 bytes, the first sum above 2.5 MiB.
    expect(reclaims(85, () => ({}), { least: "2.5M" })).toEqual([[78, 665 * 4096, undefined]])
  })

  it("forfeits what is saved up when pressure reaches the threshold", () => {
    const seen = reclaims(130, (second) => ({ pressure: line(second < 60 ? 0 : second < 66 ? (second - 59) * 2000 : 14_000) }), {
      least: "2.5M"
    })
    expect(seen).toEqual([])
  })

  it("takes file pages only once more is swapped out than the disk is to bear", () => {
    // 2 MiB a second, smoothed over a minute: above 1 MiB a second from 41.6 s on.
    const machine = anObservation().machine
    const seen = reclaims(60, (second) => ({ machine: { ...machine, pswpout: BigInt(second * 512) } }))
    expect(seen.filter(([, , swappiness]) => swappiness === 0).map(([second]) => second)).toEqual([42, 48, 54])
  })

  it("does nothing without pressure files", () => expect(reclaims(60, () => ({ pressure: undefined }))).toEqual([]))
})
