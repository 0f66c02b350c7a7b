import { assert, describe, it } from "@effect/vitest"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  AgeHistory,
  heatColumns,
  HeatHistory,
  type HeatInput,
  heatLines,
  heatSvg,
  legendLine,
  lineWidth,
  plainLine,
  scaleLine,
  viewOf
} from "../src/index.ts"
import { levelFrom, levelOf } from "../src/heat/heatScale.ts"

const mib = 2 ** 20
const heap = 0x5600_0000_0000
const far = 0x7f00_0000_0000

const region = (start: number, bytes: number, accesses: number) => ({ start: BigInt(start), end: BigInt(start + bytes), accesses })
const mapping = (start: number, bytes: number, name: string, anonBytes = bytes) => ({
  start: BigInt(start),
  end: BigInt(start + bytes),
  name,
  residentBytes: bytes,
  anonBytes
})
const frame = (atMs: number, regions: HeatInput["regions"], mappings: HeatInput["mappings"] = []): HeatInput => ({
  atMs,
  sampleUs: 5000,
  aggregationUs: 100_000,
  regions,
  mappings
})

/** A hot, a sometimes used and an idle mebibyte in the heap, and a file far away that is used in the third second only. */
const mappings = [mapping(heap, 3 * mib, "[heap]"), mapping(far, mib, "/usr/lib/x86_64-linux-gnu/libexample-with-a-long-name.so.6", 0)]
const example = (seconds = 6): HeatHistory => {
  const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 100 })
  for (let i = 0; i < seconds * 10; i++) {
    history.add(
      frame(
        1_000_000 + i * 100,
        [
          region(heap, mib, 20),
          region(heap + mib, mib, i % 2 === 0 ? 10 : 0),
          region(heap + 2 * mib, mib, 0),
          region(far, mib, i >= 20 && i < 30 ? 19 : 0)
        ],
        mappings
      )
    )
  }
  return history
}

/** A small seeded generator. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
  return seed / 2 ** 32
}

describe("heat history", () => {
  it("counts as a share of samples, and never above all of them", () => {
    const view = viewOf(example(), { rows: 4, columns: 50 })
    assert.deepStrictEqual(
      view.rows.map(({ mean }) => Number(mean.toFixed(3))),
      [1, 0.25, 0, Number((0.95 / 6).toFixed(3))]
    )
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 10 })
    history.add(frame(0, [region(heap, mib, 4_000_000)]))
    assert.strictEqual(viewOf(history, { rows: 1, columns: 1 }).hottest, 1)
  })

  it("weighs by bytes: whatever regions are like, means over rows are means over bytes", () => {
    const next = random(7)
    for (let run = 0; run < 50; run++) {
      const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 10, grainsAtMost: 64 })
      let heat = 0
      let bytes = 0
      const regions: Array<HeatInput["regions"][number]> = []
      for (let at = heap + Math.floor(next() * 100) * 4096, i = 0; i < 60; i++) {
        const size = (1 + Math.floor(next() * 50)) * 4096
        const accesses = Math.floor(next() * 21)
        regions.push(region(at, size, accesses))
        heat += (size * accesses) / 20
        bytes += size
        at += size + (next() < 0.2 ? Math.floor(next() * 1000) * 4096 : 0)
      }
      history.add(frame(0, regions))
      const { weight, heat: heats } = history.columns[0]!
      const grain = history.grainBytes
      assert.closeTo(weight.reduce((a, b) => a + b, 0) * grain, bytes, 1)
      assert.closeTo(heats.reduce((a, b) => a + b, 0) * grain, heat, bytes * 1e-6)
      assert.closeTo(viewOf(history, { rows: 1, columns: 1 }).rows[0]!.mean, heat / bytes, 1e-6)
    }
  })

  it("keeps so many columns, and knows of those that went what was used in them", () => {
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 3 })
    for (let i = 0; i < 10; i++) history.add(frame(i * 1000, [region(heap, mib, i === 0 ? 1 : 0), region(heap + mib, mib, 0)]))
    assert.deepStrictEqual(
      history.columns.map(({ fromMs }) => fromMs),
      [7000, 8000, 9000]
    )
    assert.deepStrictEqual(
      viewOf(history, { rows: 2, columns: 9 }).rows.map(({ isNever }) => isNever),
      [false, true]
    )
  })

  it("grows coarser, not larger, as memory grows a hundredfold; what was seen stays", () => {
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 10, grainsAtMost: 256 })
    history.add(frame(0, [region(heap, mib, 20)]))
    assert.strictEqual(history.grainBytes, 4096)
    history.add(frame(1000, [region(heap, mib, 20), region(heap + mib, 99 * mib, 0)]))
    assert.isAtMost(history.columns[1]!.runs.count, 4 * 256)
    const view = viewOf(history, { rows: 100, columns: 2 })
    assert.deepStrictEqual([...view.rows[0]!.cells], [1, 1])
    assert.isTrue(Number.isNaN(view.rows[99]!.cells[0]!))
    assert.strictEqual(view.rows[99]!.cells[1], 0)
  })

  it("survives a clock that is set back, and empty frames", () => {
    const history = example()
    history.add(frame(10, [region(heap, mib, 20)]))
    history.add(frame(2_000_000, []))
    const view = viewOf(history, { rows: 4, columns: 50 })
    assert.lengthOf(view.columns, 6)
    assert.isAtMost(view.hottest, 1)
  })

  it("an aggregation that comes late is of all the time since the one before; after a pause it is not", () => {
    const history = new HeatHistory({ columnMs: 100, columnsAtMost: 50 })
    for (const atMs of [0, 100, 390, 2000]) history.add(frame(atMs, [region(heap, mib, 20)]))
    assert.deepStrictEqual(
      history.columns.map(({ fromMs }) => fromMs),
      [0, 100, 200, 300, 2000]
    )
  })

  it("has room in one column for mappings that came within it", () => {
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 10 })
    history.add(frame(0, [region(heap, mib, 10)]))
    history.add(frame(500, [region(heap, mib, 20), region(far, mib, 20)]))
    const view = viewOf(history, { rows: 2, columns: 1 })
    assert.deepStrictEqual(
      view.rows.map(({ cells }) => cells[0]),
      [0.75, 1]
    )
  })
})

describe("heat view", () => {
  it("folds gaps: rows are equal bytes, and say where addresses are left out", () => {
    const view = viewOf(example(), { rows: 8, columns: 50 })
    assert.strictEqual(view.totalBytes, 4 * mib)
    assert.strictEqual(view.ranges, 2)
    assert.deepStrictEqual(
      view.rows.map(({ bytes, hasGap, label }) => [bytes, hasGap, label]),
      [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [mib / 2, i === 6, (i < 6 ? heap + (i * mib) / 2 : far + ((i - 6) * mib) / 2).toString(16)])
    )
  })

  it("knows a row across a gap by the mapping that most of it belongs to", () => {
    const view = viewOf(example(), { rows: 1, columns: 50 })
    assert.strictEqual(view.rows[0]!.name, "[heap]")
    assert.strictEqual(view.rows[0]!.others, 1)
    assert.strictEqual(view.rows[0]!.kind, "mixed")
    assert.isTrue(view.rows[0]!.hasGap)
    assert.deepStrictEqual(
      viewOf(example(), { rows: 4, columns: 1 }).rows.map(({ kind }) => kind),
      ["anon", "anon", "anon", "file"]
    )
  })

  it("more rows than there are grains are fewer rows, and zooming stops there", () => {
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 3 })
    history.add(frame(0, [region(heap, 3 * 4096, 1)]))
    assert.lengthOf(viewOf(history, { rows: 40, columns: 5 }).rows, 3)
    assert.lengthOf(viewOf(history, { rows: 40, columns: 5, bytes: 1, fromByte: 10 ** 12 }).rows, 3)
  })

  it("zooms into a part, within bounds whatever is asked", () => {
    const view = viewOf(example(), { rows: 4, columns: 5, bytes: mib, fromByte: mib })
    assert.deepStrictEqual([view.fromByte, view.bytes, view.rows[0]!.start], [mib, mib, heap + mib])
    const past = viewOf(example(), { rows: 4, columns: 5, bytes: mib, fromByte: 99 * mib })
    assert.strictEqual(past.rows.at(-1)!.end, far + mib)
    assert.strictEqual(viewOf(example(), { rows: 4, columns: 5, bytes: mib, fromByte: -5 }).rows[0]!.start, heap)
  })

  it("goes back in time, and leaves blank what nobody looked at", () => {
    const history = example(3)
    history.add(frame(1_006_000, [region(heap, mib, 20)], mappings))
    const view = viewOf(history, { rows: 4, columns: 50 })
    assert.lengthOf(view.columns, 7)
    assert.deepStrictEqual([...view.rows[0]!.cells].map(Number.isNaN), [false, false, false, true, true, true, false])
    const earlier = viewOf(history, { rows: 4, columns: 2, back: 5 })
    assert.deepStrictEqual(earlier.columns, [1_000_000, 1_001_000])
    assert.strictEqual(earlier.later, 5)
    assert.deepStrictEqual(viewOf(history, { rows: 4, columns: 2, back: 99 }).columns, [1_000_000])
  })

  it("a moving average reaches back before the picture, and weighs by what was looked at", () => {
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 20 })
    for (let i = 0; i < 6; i++) history.add(frame(i * 1000, [region(heap, mib, i < 3 ? 20 : 0)]))
    const row = (columns: number) =>
      [...viewOf(history, { rows: 1, columns, average: 3 }).rows[0]!.cells].map((cell) => Number(cell.toFixed(3)))
    assert.deepStrictEqual(row(6), [1, 1, 1, 0.667, 0.333, 0])
    assert.deepStrictEqual(row(3), [0.667, 0.333, 0])
  })

  it("is empty before the first frame", () => {
    const view = viewOf(new HeatHistory({ columnMs: 1000, columnsAtMost: 3 }), { rows: 4, columns: 4 })
    assert.deepStrictEqual([view.rows, view.columns], [[], []])
  })
})

describe("heat scale", () => {
  it.each(["linear", "log"] as const)("%s: every level is reached, in order, from where it says on", (scale) => {
    const levels = new Set<number>()
    let before = 0
    for (let share = 1e-6; share <= 1; share += 1 / 4096) {
      const level = levelOf(share, scale)
      assert.isAtLeast(level, before)
      before = level
      levels.add(level)
    }
    levels.add(levelOf(1, scale))
    assert.strictEqual(levels.size, 10)
    for (let level = 1; level < 10; level++) {
      assert.strictEqual(levelOf(levelFrom(level, scale) + 1e-12, scale), level)
      assert.strictEqual(levelOf(levelFrom(level, scale) - 1e-9, scale), level - 1)
    }
  })
})

const goldens = join(import.meta.dirname, "goldens")
/** Compares with a file; `WMO_GOLDENS=write` writes it, for a look at the difference. */
const isGolden = (file: string, text: string): void => {
  const path = join(goldens, file)
  if (process.env["WMO_GOLDENS"] === "write") writeFileSync(path, text)
  assert.strictEqual(text, readFileSync(path, "utf8"))
}
const look = { overlay: "heat", scale: "linear", utcOffsetMinutes: 0 } as const

describe("heat lines", () => {
  const view = viewOf(example(), { rows: 8, columns: heatColumns(90) })

  it("as a whole", () => {
    const lines = [...heatLines(view, { width: 90, ...look }), legendLine(look)]
    isGolden("heat.txt", `${scaleLine(view)}\n${lines.map(plainLine).join("\n")}\n`)
  })

  it("with kinds in place of heat", () => {
    const kinds = { ...look, overlay: "kind" } as const
    isGolden("heatKinds.txt", `${[...heatLines(view, { width: 90, ...kinds }), legendLine(kinds)].map(plainLine).join("\n")}\n`)
  })

  it.each([1, 20, 40, 59, 60, 80, 100, 177, 300])("are as wide as %i columns where that is enough for a cell", (width) => {
    const fitting = viewOf(example(), { rows: 8, columns: heatColumns(width) })
    for (const row of heatLines(fitting, { width, ...look }).slice(0, -1)) assert.strictEqual(lineWidth(row), Math.max(width, 23))
    assert.isAtMost(fitting.columns.length, heatColumns(width))
  })

  it("names of mappings cannot move the cursor", () => {
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 3 })
    history.add(frame(0, [region(heap, mib, 1)], [mapping(heap, mib, "a\u001b[2Jb\nc")]))
    const text = heatLines(viewOf(history, { rows: 1, columns: 10 }), { width: 100, ...look })
      .map(plainLine)
      .join("\n")
    assert.notMatch(text, /\u001b/)
    assert.include(text, "a?[2Jb?c")
  })

  it("cells differ without colour: not looked at, never, not then, and ten levels", () => {
    const history = new HeatHistory({ columnMs: 1000, columnsAtMost: 30 })
    history.add(frame(0, [region(heap, mib, 0), region(heap + mib, mib, 0)]))
    for (let accesses = 1; accesses <= 20; accesses += 2)
      history.add(frame(accesses * 1000, [region(heap, mib, accesses), region(heap + mib, mib, 0)]))
    const [first, second] = heatLines(viewOf(history, { rows: 2, columns: 20 }), { width: 80, ...look }).map(plainLine)
    assert.include(first, "-0 1 2 3 4 5 6 7 8 9│")
    assert.include(second, "·· · · · · · · · · ·│")
  })
})

describe("heat SVG", () => {
  it("as a whole, and names in it are text", () => {
    const history = example()
    history.add(frame(1_006_000, [region(heap, mib, 20)], [mapping(heap, mib, `<script>"&`)]))
    const view = viewOf(history, { rows: 4, columns: 50 })
    const svg = heatSvg(view, { title: "app <1>", subtitle: "sampled", ...look })
    assert.notInclude(svg, "<script>")
    assert.include(svg, "&lt;script&gt;&quot;&amp;")
    isGolden("heat.svg", svg)
  })
})

describe("ages in place of heat", () => {
  it("rows are how long memory has been idle; cells the share of the group's", () => {
    const history = new AgeHistory({ columnMs: 1000, columnsAtMost: 10 })
    for (let i = 0; i < 3; i++) {
      history.add({
        atMs: i * 1000,
        bins: [
          { lowerMs: 0, anonBytes: 30 * mib, fileBytes: 0 },
          { lowerMs: i * 5000, anonBytes: 0, fileBytes: 10 * mib }
        ]
      })
    }
    const view = history.view({ columns: 10 })
    assert.strictEqual(view.rows[0]!.label, "in use")
    assert.deepStrictEqual([...view.rows[0]!.cells], [1, 0.75, 0.75])
    const ten = view.rows.find(({ label }) => label === "≥ 10.0 s")!
    assert.deepStrictEqual([...ten.cells], [0, 0, 0.25])
    assert.strictEqual(ten.kind, "file")
    assert.strictEqual(ten.name, "10.0 MiB now")
    isGolden(
      "ages.txt",
      `${heatLines(view, { width: 80, ...look, measure: "memory" })
        .map(plainLine)
        .join("\n")}\n`
    )
  })

  it("is blank before the first frame", () => {
    assert.deepStrictEqual(new AgeHistory({ columnMs: 1000, columnsAtMost: 3 }).view({ columns: 5 }).columns, [])
  })
})
