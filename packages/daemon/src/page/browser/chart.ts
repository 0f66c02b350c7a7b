/** One line chart over the last quarter of an hour: uPlot in the page's colours, with what is under the cursor, or the latest, in words above it. */
import uPlot from "uplot"
import { el, setText } from "./dom.ts"
import { timeOfDay } from "./format.ts"

export interface ChartSeries {
  readonly label: string
  /** A custom property of the style sheet. */
  readonly colour: string
}

type Values = ReadonlyArray<number | null>

const height = 138
const syncKey = "group"

const colourOf = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** Steps of an axis that can be said in three digits: 1, 2, 5 and so on from the least on. */
export const decimalSteps = (least: number): Array<number> =>
  Array.from({ length: 30 }, (_, i) => [1, 2, 5][i % 3]! * 10 ** Math.floor(i / 3) * least)

/** Steps of an axis of bytes: powers of two. */
export const binarySteps = Array.from({ length: 50 }, (_, i) => 2 ** i)

export const makeChart = (
  title: string,
  series: ReadonlyArray<ChartSeries>,
  format: (value: number | null) => string,
  steps: Array<number>
) => {
  const readout = el("p", { class: "readout" })
  const plotPlace = el("div", { class: "plot", role: "img" })
  const element = el("figure", { class: "chart" }, el("figcaption", {}, el("h3", {}, title), readout), plotPlace)
  let plot: uPlot | undefined
  let data: uPlot.AlignedData = [[], ...series.map(() => [])]
  const parts = series.map(({ colour, label }) => {
    const value = el("b")
    const key = el("i", { class: "key" })
    key.style.background = `var(${colour})`
    readout.append(el("span", {}, key, `${label} `, value))
    return value
  })
  const at = el("span", { class: "at" })
  readout.append(at)

  const latest = (): number => {
    const [xs, ...all] = data
    for (let i = xs.length - 1; i >= 0; i--) if (all.some((values) => values[i] !== null)) return i
    return xs.length - 1
  }
  const read = (): void => {
    const under = plot?.cursor.idx
    const i = under ?? latest()
    parts.forEach((value, n) => setText(value, format(data[n + 1]?.[i] ?? null)))
    setText(at, under === undefined || under === null ? "" : `at ${timeOfDay((data[0][i] ?? 0) * 1000)}`)
    plotPlace.setAttribute("aria-label", `${title}: ${readout.textContent}`)
  }

  const draw = (): void => {
    plot?.destroy()
    const axis = {
      stroke: colourOf("--muted"),
      grid: { stroke: colourOf("--line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif"
    }
    plot = new uPlot(
      {
        width: Math.max(200, plotPlace.clientWidth),
        height,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: syncKey }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
          { ...axis, size: 26, space: 90, values: (_, splits) => splits.map((seconds) => timeOfDay(seconds * 1000).slice(0, 5)) },
          {
            ...axis,
            size: 64,
            space: 28,
            incrs: steps,
            values: (_, splits) => splits.map((value) => (value === 0 ? "0" : format(value)))
          }
        ],
        series: [
          {},
          ...series.map(({ colour, label }) => ({
            label,
            stroke: colourOf(colour),
            fill: `color-mix(in srgb, ${colourOf(colour)} 14%, transparent)`,
            width: 1.5,
            points: { show: false }
          }))
        ],
        hooks: { setCursor: [read] }
      },
      data,
      plotPlace
    )
    read()
  }

  const dark = matchMedia("(prefers-color-scheme: dark)")
  const resized = new ResizeObserver(() => plot?.setSize({ width: Math.max(200, plotPlace.clientWidth), height }))
  dark.addEventListener("change", draw)
  resized.observe(plotPlace)

  return {
    element,
    /** `seconds` since 1970, ascending, and a value or null for each. */
    update: (seconds: ReadonlyArray<number>, values: ReadonlyArray<Values>): void => {
      data = [[...seconds], ...values.map((each) => [...each])]
      if (plot === undefined) draw()
      else {
        plot.setData(data)
        read()
      }
    },
    destroy: (): void => {
      dark.removeEventListener("change", draw)
      resized.disconnect()
      plot?.destroy()
    }
  }
}
