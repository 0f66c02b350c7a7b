/** One group in full: figures, charts of the last quarter of an hour, how cold its memory is, what was decided and done, and by which settings. */
import type { Explanation, History, PastDecision } from "../../protocol/Status.ts"
import { binarySteps, decimalSteps, makeChart } from "./chart.ts"
import { el, figure, pressureTone, setAttribute, setChildren, setText, setWidth } from "./dom.ts"
import { bytes, count, duration, percent, perSecond, timeOfDay } from "./format.ts"
import { nameOf } from "./groups.ts"

/** What `/api/group` answers. */
export type GroupAnswer = Explanation & { readonly history?: History }

const states: Readonly<Record<string, readonly [text: string, tone: string | undefined]>> = {
  acting: ["acting", "good"],
  "backing-off": ["backing off", "bad"],
  stopped: ["stopped", "warn"],
  "left-alone": ["left alone", undefined]
}

const sources: Readonly<Record<string, string>> = {
  mglru: "From the kernel's generations (MGLRU): at least so old, as of the last walk.",
  "working-set": "From the kernel's working-set reports.",
  damon: "From DAMON.",
  idle: "From the idle page bitmap."
}

const coldLadder = () => {
  const rungs = el("ol", { class: "ladder" })
  const note = el("p", { class: "note" })
  return {
    element: el("section", {}, el("h2", {}, "Idle for at least"), rungs, note),
    update: ({ cold }: GroupAnswer): void => {
      const bands = cold?.bands ?? []
      const all = Math.max(1, ...bands.map(({ anon_bytes, file_bytes }) => anon_bytes + file_bytes))
      setChildren(
        rungs,
        bands.map(({ anon_bytes, file_bytes, idle_ms }) => {
          const anon = el("i", { class: "anon" })
          const file = el("i", { class: "file" })
          setWidth(anon, anon_bytes / all)
          setWidth(file, file_bytes / all)
          return el(
            "li",
            { title: `${bytes(anon_bytes)} anonymous, ${bytes(file_bytes)} of files` },
            el("span", { class: "age" }, idle_ms === 0 ? "any time" : duration(idle_ms)),
            el("span", { class: "bar", "aria-hidden": "true" }, anon, file),
            el("span", { class: "number" }, bytes(anon_bytes + file_bytes))
          )
        })
      )
      note.textContent =
        cold === undefined
          ? "Page ages of this group are not known: its kernel has none to tell, or its policy asks for none."
          : (sources[cold.source] ?? `From ${cold.source}.`)
      if (cold !== undefined) note.append(" ", el("i", { class: "key anon" }), "anonymous ", el("i", { class: "key file" }), "file")
    }
  }
}

const settingsList = () => {
  const list = el("dl", { class: "pairs" })
  return {
    element: el("section", {}, el("h2", {}, "Settings"), list),
    update: ({ cpu_percent, floor_bytes, minute_bytes, settings, summary, tick_bytes }: GroupAnswer): void => {
      const pairs: ReadonlyArray<readonly [string, string | undefined]> = [
        ["policy", summary.policy],
        ...Object.entries(settings),
        ["floor", floor_bytes === undefined ? undefined : bytes(floor_bytes)],
        ["at most a tick", tick_bytes === undefined || tick_bytes === null ? undefined : bytes(tick_bytes)],
        ["at most a minute", minute_bytes === undefined || minute_bytes === null ? undefined : bytes(minute_bytes)],
        ["CPU at most", cpu_percent === undefined ? undefined : percent(cpu_percent)],
        ["picked by", summary.why]
      ]
      setChildren(
        list,
        pairs.flatMap(([name, value]) => (value === undefined ? [] : [el("div", {}, el("dt", {}, name), el("dd", {}, value))]))
      )
    }
  }
}

const actionsList = () => {
  const list = el("dl", { class: "pairs" })
  const element = el("section", {}, el("h2", {}, "Actions so far"), list)
  return {
    element,
    update: ({ summary }: GroupAnswer): void => {
      const entries = Object.entries(summary.actions).toSorted(([, a], [, b]) => b - a)
      setChildren(
        list,
        entries.length === 0
          ? [el("div", {}, el("dt", {}, "none"), el("dd"))]
          : entries.map(([name, times]) => el("div", {}, el("dt", {}, name), el("dd", { class: "number" }, count(times))))
      )
    }
  }
}

/** Newest first; a run of decisions in the same words is one line. */
const decisionLines = (
  decisions: ReadonlyArray<PastDecision>
): ReadonlyArray<{ readonly decision: PastDecision; readonly times: number }> => {
  const lines: Array<{ decision: PastDecision; times: number }> = []
  for (const decision of decisions.toReversed()) {
    const above = lines.at(-1)
    if (above !== undefined && above.decision.reason === decision.reason && decision.outcomes.length + above.decision.outcomes.length === 0)
      above.times++
    else lines.push({ decision, times: 1 })
  }
  return lines
}

const decisionTable = () => {
  const body = el("tbody")
  const choices = (["acted", "all"] as const).map((which) => ({
    which,
    button: el("button", { type: "button" }, which === "acted" ? "That changed memory" : "All of the last ticks")
  }))
  let chosen: "acted" | "all" | undefined
  let latest: GroupAnswer | undefined
  const render = (): void => {
    if (latest === undefined) return
    const { acted, decisions } = latest
    const which = chosen ?? (acted.length > 0 ? "acted" : "all")
    for (const { button, which: each } of choices) setAttribute(button, "aria-pressed", String(each === which))
    const lines = decisionLines(which === "acted" ? acted : decisions)
    setChildren(
      body,
      lines.length === 0
        ? [el("tr", {}, el("td", { colspan: "3" }, "None so far."))]
        : lines.map(({ decision: { at_ms, outcomes, reason }, times }) =>
            el(
              "tr",
              {},
              el("td", { class: "time" }, timeOfDay(at_ms)),
              el("td", {}, reason, ...(times > 1 ? [el("span", { class: "times" }, `× ${times}`)] : [])),
              el(
                "td",
                {},
                ...(outcomes.length === 0
                  ? [el("span", { class: "nothing" }, "nothing")]
                  : outcomes.map((outcome) => el("div", {}, outcome)))
              )
            )
          )
    )
  }
  for (const { button, which } of choices)
    button.addEventListener("click", () => {
      chosen = which
      render()
    })
  return {
    element: el(
      "section",
      { class: "decisions" },
      el(
        "div",
        { class: "tools" },
        el("h2", {}, "Decisions"),
        el("div", { class: "chips", role: "group", "aria-label": "Which decisions" }, ...choices.map(({ button }) => button))
      ),
      el(
        "div",
        { class: "scroll" },
        el(
          "table",
          {},
          el("caption", {}, "The latest decisions, newest first"),
          el("thead", {}, el("tr", {}, ...["Time", "Why", "What was done"].map((head) => el("th", { scope: "col" }, head)))),
          body
        )
      )
    ),
    update: (answer: GroupAnswer): void => {
      latest = answer
      render()
    }
  }
}

export const makeGroupView = (group: string) => {
  const name = el("h1", { tabindex: "-1" }, group)
  const state = el("span", { class: "pill" })
  const path = el("p", { class: "path" })
  const problem = el("p", { class: "notice", "data-tone": "bad" })
  const figures = {
    memory: figure("In memory", "memory.current"),
    saved: figure("Saved now", "What is swapped out, less zswap's compressed copies"),
    pressure: figure("PSI some", "Share of the last 10 s in which some task waited for memory"),
    refaults: figure("Refaults", "Pages that came back into memory"),
    reclaimed: figure("Reclaimed", "What memory.current fell by while actions ran, since wmod looks after the group"),
    ticks: figure("Looked at", "Ticks so far, and those that could not be taken in time")
  }
  const charts = {
    memory: makeChart(
      "Memory",
      [
        { label: "in memory", colour: "--held" },
        { label: "saved", colour: "--out" }
      ],
      bytes,
      binarySteps
    ),
    pressure: makeChart("PSI some", [{ label: "of the time", colour: "--stall" }], percent, decimalSteps(0.01)),
    refaults: makeChart("Refaults", [{ label: "pages/s", colour: "--refault" }], perSecond, decimalSteps(0.1))
  }
  const parts = [coldLadder(), settingsList(), actionsList()] as const
  const decisions = decisionTable()
  const unseen = el("p", { class: "note" })
  const content = el(
    "div",
    {},
    problem,
    el("dl", { class: "figures" }, ...Object.values(figures).map(({ element }) => element)),
    el(
      "div",
      { class: "columns" },
      el("section", { class: "charts" }, el("h2", {}, "Last 15 minutes"), ...Object.values(charts).map(({ element }) => element), unseen),
      el("div", { class: "side" }, ...parts.map(({ element }) => element))
    ),
    decisions.element
  )
  const nothing = el("p", { class: "none" })
  nothing.hidden = true
  content.hidden = true
  const element = el(
    "article",
    { class: "group" },
    el("nav", {}, el("a", { href: "#/" }, "← All groups")),
    el("div", { class: "title" }, name, state),
    path,
    nothing,
    content
  )

  const updateCharts = ({ current_bytes, end_ms, pressure_percent, refaults_per_second, saved_bytes, slot_ms }: History): void => {
    const seconds = current_bytes.map((_, i) => (end_ms - slot_ms * (current_bytes.length - 1 - i)) / 1000)
    charts.memory.update(seconds, [current_bytes, saved_bytes])
    charts.pressure.update(seconds, [pressure_percent])
    charts.refaults.update(seconds, [refaults_per_second])
  }

  return {
    element,
    heading: name,
    update: (answer: GroupAnswer | undefined, nowMs: number): void => {
      const isKnown = answer !== undefined && (answer.summary.ticks > 0 || answer.summary.state !== "left-alone")
      nothing.hidden = isKnown
      content.hidden = !isKnown
      setText(
        nothing,
        answer === undefined
          ? "No rule picks this group any more, or it is gone."
          : "wmod leaves this group alone and does not look at it: nothing more is known of it."
      )
      if (answer === undefined) return
      const { history, summary } = answer
      const [text, tone] = states[summary.state]!
      setText(name, nameOf(summary))
      setText(state, text)
      setAttribute(state, "data-tone", tone)
      const notes = [...(summary.name === undefined ? [] : [summary.group]), ...(summary.state === "acting" ? [] : [summary.why])]
      setText(path, notes.join(" · "))
      problem.hidden = summary.problem === undefined
      setText(problem, `${summary.problem ?? ""}; tried again in ${duration(Math.max(0, (summary.again_at_ms ?? nowMs) - nowMs))}`)
      figures.memory.set(
        bytes(summary.current_bytes),
        summary.zswap_bytes === undefined ? "" : `${bytes(summary.zswap_bytes)} of it compressed`
      )
      figures.saved.set(bytes(summary.saved_bytes), summary.swap_bytes === undefined ? "" : `${bytes(summary.swap_bytes)} swapped out`)
      figures.pressure.set(
        percent(summary.pressure_percent),
        summary.pressure_objective_percent === undefined
          ? "in the last 10 s"
          : `in the last 10 s; ${percent(summary.pressure_objective_percent)} allowed`,
        pressureTone(summary.pressure_percent)
      )
      figures.refaults.set(
        `${perSecond(summary.refaults_per_second)}/s`,
        `${count((summary.refaults_anon ?? 0) + (summary.refaults_file ?? 0))} pages in all`
      )
      figures.reclaimed.set(bytes(summary.reclaimed_bytes), "in all")
      figures.ticks.set(
        `${count(summary.ticks)} times`,
        summary.missed_ticks > 0 ? `${count(summary.missed_ticks)} missed` : `${count(summary.failures)} failures`
      )
      for (const part of parts) part.update(answer)
      decisions.update(answer)
      unseen.hidden = history !== undefined
      setText(unseen, summary.ticks === 0 ? "wmod does not look at this group." : "Dropped: wmod stays within its own memory budget.")
      for (const chart of Object.values(charts)) chart.element.hidden = history === undefined
      if (history !== undefined) updateCharts(history)
    },
    destroy: (): void => {
      for (const chart of Object.values(charts)) chart.destroy()
    }
  }
}
