/** Rows, tree and lines of `wmo top`: pure, so compared with what a person has looked at. */
import { describe, expect, it } from "vitest"
import {
  layoutOf,
  lineWidth,
  noHistory,
  plainLine,
  remember,
  sparkline,
  series,
  type TopArrangement,
  topDetail,
  type TopFrame,
  topGroup,
  topHead,
  topLine,
  topJson,
  topRows,
  topSorts,
  topTable,
  topTree
} from "../src/index.ts"
import { largeFrame, smallFrame } from "./fixtures/topFrames.ts"

const all: TopArrangement = { root: "", sort: "current", isAscending: false, filter: "", collapsed: new Set(), depth: Infinity }
const rows = topRows(smallFrame(0), smallFrame(2), 60_000)
const rowOf = (group: string) => rows.find((row) => row.group === group)!
const names = (arrangement: Partial<TopArrangement>) => topTree(rows, { ...all, ...arrangement }).map(({ group }) => group)

describe("rows", () => {
  it("have rates over the time between two frames", () => {
    expect(topJson(rowOf("system.slice/web.service"))).toMatchObject({
      refaults_per_second: 500,
      promotions_per_second: 100,
      // 100 pages a second are 23.4 MiB a minute, of 480 MiB.
      promotions_pct_per_minute: (100 * 60 * 4096 * 100) / (480 * 2 ** 20),
      psi_some_pct: 2,
      zswap_ratio: 2.9
    })
  })

  it("know no rates from one frame, nor where a counter went back", () => {
    for (const before of [undefined, smallFrame(5)]) {
      const row = topRows(before, smallFrame(2), 60_000).find(({ group }) => group === "system.slice/web.service")!
      expect([row.refaultRate, row.promotionRate, row.psiSomePct]).toEqual([undefined, undefined, undefined])
    }
  })

  it("count as cold what is surely as old: a bin by its lower edge; and a group's with those below it", () => {
    expect(rowOf("system.slice/db.service").coldShare).toBeCloseTo(600 / 880)
    expect(rowOf("system.slice").coldShare).toBeCloseTo(600 / (880 + 400))
    expect(rowOf("").coldShare).toBeCloseTo(600 / (880 + 400))
    expect(rowOf("user.slice").coldShare).toBeUndefined()
    expect(topRows(undefined, smallFrame(0), 5000).find(({ group }) => group === "system.slice/db.service")!.coldShare).toBeCloseTo(
      700 / 880
    )
  })

  it("take promotions from swap-ins where the kernel counts them by group, else from refaults of anonymous pages", () => {
    const values: Readonly<Record<string, bigint>> = {
      memory_stat_workingset_refault_anon: 7n,
      memory_stat_workingset_refault_file: 5n,
      memory_stat_zswpin: 20n
    }
    const old = topGroup("a", (metric) => values[metric])
    expect([old.refaults, old.promotions]).toEqual([12, 7])
    expect(topGroup("a", (metric) => ({ ...values, memory_stat_pswpin: 1n })[metric]).promotions).toBe(21)
    expect(topGroup("a", () => undefined)).toMatchObject({ refaults: undefined, promotions: undefined, currentBytes: undefined })
  })
})

describe("the tree", () => {
  it("sorts siblings and keeps children with their parents; unknown comes last", () => {
    const db = "system.slice/db.service"
    const web = "system.slice/web.service"
    expect(names({})).toEqual(["", "system.slice", db, web, "user.slice"])
    expect(names({ sort: "refaults" })).toEqual(["", "system.slice", web, db, "user.slice"])
    expect(names({ sort: "name" })).toEqual(["", "system.slice", db, web, "user.slice"])
    expect(names({ sort: "name", isAscending: true })).toEqual(["", "user.slice", "system.slice", web, db])
    expect(names({ isAscending: true })).toEqual(["", "user.slice", "system.slice", web, db])
    // user.slice has no page ages.
    expect(names({ sort: "cold", isAscending: true }).at(-1)).toBe("user.slice")
  })

  it("folds, ends at a depth, begins at a root, and shows what is looked for with what is above it", () => {
    expect(names({ collapsed: new Set(["system.slice"]) })).toEqual(["", "system.slice", "user.slice"])
    expect(names({ depth: 1 })).toEqual(["", "system.slice", "user.slice"])
    expect(names({ depth: 0 })).toEqual([""])
    expect(names({ root: "system.slice" })).toEqual(["system.slice", "system.slice/db.service", "system.slice/web.service"])
    expect(names({ filter: "WEB", collapsed: new Set(["system.slice"]) })).toEqual(["", "system.slice", "system.slice/web.service"])
    expect(names({ filter: "nothing like it" })).toEqual([])
  })

  it("shows a group whose parents were not recorded", () => {
    const frame: TopFrame = { ...smallFrame(0), groups: smallFrame(0).groups.filter(({ group }) => group.includes("/")) }
    const tree = topTree(topRows(undefined, frame, 1000), all)
    expect(tree.map(({ group, level }) => [group, level])).toEqual([
      ["system.slice/db.service", 0],
      ["system.slice/web.service", 0]
    ])
  })
})

describe("lines", () => {
  const screen = (width: number) => {
    const tree = topTree(rows, all)
    const layout = layoutOf(tree, width)
    const lines = [topHead(layout, "current", false), ...tree.map((row) => topLine(row, layout))]
    for (const line of lines) expect(lineWidth(line)).toBe(width)
    return `\n${lines.map(plainLine).join("\n")}\n`
  }

  it("fit 80 columns", () => {
    expect(screen(80)).toMatchInlineSnapshot(`
      "
      GROUP                   MEM▾   ANON   FILE  ZSWAP RATIO COLD% REF/s PRO%/m  PSI%
      ▾ /                        –   700M   900M      –     –  46.9     –      –     –
        ▾ system.slice       1.37G   650M   700M   100M   2.9  46.9   500    1.7   2.0
            db.service        900M   600M   280M      0     –  68.2     0      0     0
            web.service       480M  40.0M   420M   100M   2.9     0   500    4.9   2.0
          user.slice          100M  50.0M  40.0M      –     –     –     0      0     0
      "
    `)
  })

  it("fit 140 columns", () => {
    expect(screen(140)).toMatchInlineSnapshot(`
      "
      GROUP                  MEM▾   ANON   FILE   SWAP  ZSWAP RATIO COLD% REF/s PRO/s PRO%/m  PSI% POLICY
      ▾ /                       –   700M   900M      –      –     –  46.9     –     –      –     – –
        ▾ system.slice      1.37G   650M   700M   300M   100M   2.9  46.9   500   100    1.7   2.0 –
            db.service       900M   600M   280M      0      0     –  68.2     0     0      0     0 periodic: 400 MiB anon and 200 MiB file idle ≥…
            web.service      480M  40.0M   420M   300M   100M   2.9     0   500   100    4.9   2.0 –
          user.slice         100M  50.0M  40.0M      –      –     –     –     0     0      0     0 senpai
      "
    `)
  })

  it("keep columns apart whichever they are sorted by", () => {
    const layout = layoutOf(topTree(rows, all), 140)
    for (const sort of topSorts) {
      const head = plainLine(topHead(layout, sort, true))
      expect(head.length).toBe(plainLine(topHead(layout, "current", true)).length)
      expect(head.trim().split(/ +/)).toHaveLength(layout.columns.length + 2)
      expect(head.split("▴")).toHaveLength(2)
    }
  })

  it("keep their width on any screen", () => {
    for (let width = 24; width < 260; width++) screen(width)
  })

  it("are a table for scripts, too", () => {
    expect(`\n${topTable(topTree(rows, all))}\n`).toMatchInlineSnapshot(`
      "
      GROUP                MEM   ANON   FILE   SWAP  ZSWAP RATIO COLD% REF/s PRO/s PRO%/m  PSI% POLICY
      ▾ /                    –   700M   900M      –      –     –  46.9     –     –      –     – –
        ▾ system.slice   1.37G   650M   700M   300M   100M   2.9  46.9   500   100    1.7   2.0 –
            db.service    900M   600M   280M      0      0     –  68.2     0     0      0     0 periodic: 400 MiB anon and 200 MiB file idle ≥ 1 m 0 s: reclaim number 2
            web.service   480M  40.0M   420M   300M   100M   2.9     0   500   100    4.9   2.0 –
          user.slice      100M  50.0M  40.0M      –      –     –     –     0     0      0     0 senpai
      "
    `)
  })

  it("do not let a group's name reach the terminal as it is", () => {
    const frame: TopFrame = { ...smallFrame(0), groups: [{ ...smallFrame(0).groups[1]!, group: "evil\u001b[2J\u202ename" }] }
    const tree = topTree(topRows(undefined, frame, 1000), all)
    expect(plainLine(topLine(tree[0]!, layoutOf(tree, 80)))).toMatch(/^ {2}evil\?\[2J\?name /)
  })
})

describe("one group", () => {
  it("is shown with its past, the ages of its pages and what the policy says", () => {
    let history = noHistory
    for (let second = 1; second < 30; second++) {
      const frame = smallFrame(second)
      history = remember(history, frame.atMs, topRows(smallFrame(second - 1), frame, 60_000))
    }
    const said = [1, 2].map((second) => ({ atMs: smallFrame(second).atMs, reason: `reclaim number ${second}` }))
    const row = rowOf("system.slice/db.service")
    const lines = topDetail({ row, history, ages: smallFrame(2).ages.get(row.group), coldMs: 60_000, said }, 80, 20)
    expect(lines.length).toBeLessThanOrEqual(20)
    expect(`\n${lines.map(plainLine).join("\n")}\n`).toMatchInlineSnapshot(`
      "
      system.slice/db.service
      memory 900 MiB   anon 600 MiB   file 280 MiB   swap 0 B
      zswap 0 B for 0 B   cold 68.2 % idle ≥ 1 m 0 s

      memory                  █████████████████████████████ 900 MiB, peak 900 MiB
      cold %                  █████████████████████████████ 68.2, peak 68.2
      refaults/s              ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ 0, peak 0
      promotions/s            ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ 0, peak 0
      PSI some %              ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ 0, peak 0

      page ages (mglru; █ anon, ▒ file)
      < 5.00 s                 180 MiB ████████████▒▒
      5.00 s – 1 m 30 s        100 MiB ████▒▒▒▒
      ≥ 1 m 30 s               600 MiB ███████████████████████████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒

      policy
      periodic, pid 4711
        400 MiB anon and 200 MiB file idle ≥ 1 m 0 s: reclaim number 2
        12:00:01 reclaim number 1
      "
    `)
  })

  it("has a past that is forgotten in time, and survives groups that come and go", () => {
    let history = noHistory
    for (let second = 1; second <= 300; second++) {
      const frame = largeFrame(second < 200 ? 20 : 30, second)
      history = remember(history, frame.atMs, topRows(largeFrame(20, second - 1), frame, 1000))
    }
    expect(history.length).toBe(240)
    const late = series(history, "slice-2/service-25", "current")
    expect(late.slice(0, 139).every((value) => value === undefined)).toBe(true)
    expect(late.at(-1)).toBe(((25 * 7919) % 1000) * 2 ** 20)
  })

  it("draws sparklines from nothing to the highest", () => {
    expect(sparkline([0, 1, 2, undefined, 7], 6)).toBe(" ▁▂▃ █")
    expect(sparkline([0, 0], 2)).toBe("▁▁")
    expect(sparkline([1, 2, 3], 2)).toBe("▆█")
  })
})
