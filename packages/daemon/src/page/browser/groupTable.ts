/**
 * The list of groups: figures of all, a filter, and a table with a row each. Rows are kept from turn to turn and only what changed is written, so that a
 * thousand groups stay quick.
 */
import type { DaemonStatus, GroupSummary } from "../../protocol/Status.ts"
import { el, figure, pressureTone, setAttribute, setChildren, setText, setWidth } from "./dom.ts"
import { ago, bytes, count, duration, percent, perSecond } from "./format.ts"
import { type Column, filtered, firstOrder, type Kind, kindOf, kinds, lastSaid, nameOf, type Order, sorted, totalsOf } from "./groups.ts"

const columns: ReadonlyArray<readonly [column: Column, head: string, help: string]> = [
  ["group", "Group", "Pod or container where that is known, and the path below the cgroup mount"],
  ["policy", "Policy", "What decides"],
  ["memory", "In memory", "memory.current; beside it, lighter, what was saved"],
  ["saved", "Saved", "What is swapped out, less zswap's compressed copies of it"],
  ["pressure", "PSI some", "Share of the last 10 s in which some task waited for memory"],
  ["refaults", "Refaults/s", "Pages that came back into memory, a second"],
  ["last", "Last decision", "What the policy said, or why nothing is done"]
]

const kindNames: Readonly<Record<Kind, string>> = { all: "All", acting: "Acting", problems: "Problems", idle: "Not acting" }

const groupLink = (group: string): string => `#/group/${encodeURIComponent(group)}`

const makeRow = (group: string) => {
  const link = el("a", { href: groupLink(group) })
  const path = el("span", { class: "path" })
  const memory = el("span")
  const held = el("i", { class: "held" })
  const out = el("i", { class: "out" })
  const cells = {
    policy: el("td", { class: "policy" }),
    saved: el("td", { class: "number" }),
    pressure: el("td", { class: "number" }),
    refaults: el("td", { class: "number" })
  }
  const said = el("span", { class: "said" })
  const when = el("span", { class: "when" })
  const element = el(
    "tr",
    {},
    el("th", { scope: "row" }, el("span", { class: "name" }, link), path),
    cells.policy,
    el("td", { class: "number memory" }, memory, el("span", { class: "bar", "aria-hidden": "true" }, held, out)),
    cells.saved,
    cells.pressure,
    cells.refaults,
    el("td", { class: "last" }, said, when)
  )
  element.addEventListener("click", ({ target }) => {
    if (!(target instanceof HTMLAnchorElement) && getSelection()?.isCollapsed !== false) link.click()
  })
  return {
    element,
    link,
    update: (summary: GroupSummary, mostBytes: number, nowMs: number): void => {
      const { again_at_ms, current_bytes, last_ms, policy = "–", pressure_percent, refaults_per_second, saved_bytes, state } = summary
      setAttribute(element, "data-kind", kindOf(summary))
      setAttribute(element, "data-state", state)
      setText(link, nameOf(summary))
      setText(path, summary.name === undefined ? "" : summary.group)
      setAttribute(path.parentElement!, "title", summary.group)
      setText(cells.policy, policy)
      setText(memory, bytes(current_bytes))
      setWidth(held, (current_bytes ?? 0) / mostBytes)
      setWidth(out, (saved_bytes ?? 0) / mostBytes)
      setText(cells.saved, bytes(saved_bytes))
      setText(cells.pressure, percent(pressure_percent))
      setAttribute(cells.pressure, "data-tone", pressureTone(pressure_percent))
      setText(cells.refaults, perSecond(refaults_per_second))
      const text = lastSaid(summary)
      setText(said, text)
      setAttribute(said, "title", text)
      setText(
        when,
        state === "backing-off"
          ? `again in ${duration(Math.max(0, (again_at_ms ?? nowMs) - nowMs))}`
          : state !== "left-alone" && last_ms !== undefined && nowMs - last_ms > 60_000
            ? ago(nowMs - last_ms)
            : ""
      )
    }
  }
}

const emptyOf = ({ config, groups_seen }: DaemonStatus): HTMLElement =>
  el(
    "section",
    { class: "empty" },
    el("h2", {}, "No group is looked after"),
    el(
      "p",
      {},
      groups_seen === 0
        ? "There are no groups below this machine's cgroup mount."
        : `No rule of ${config} picks any of this machine's ${count(groups_seen)} groups. Name some, as in this example:`
    ),
    el("pre", {}, el("code", {}, "rules:\n  - match: system.slice/*.service\n    policy: slo\n")),
    el(
      "p",
      {},
      el("code", {}, "systemd-cgls"),
      " lists the groups that there are, ",
      el("code", {}, `wmod check ${config}`),
      " says what is wrong with a configuration, and ",
      el("code", {}, "wmo reload"),
      " takes it."
    )
  )

export const makeGroupTable = () => {
  let order: Order = firstOrder("memory")
  let kind: Kind = "all"
  let latest: DaemonStatus | undefined
  const rows = new Map<string, ReturnType<typeof makeRow>>()

  const figures = {
    memory: figure("In memory", "memory.current of all groups below"),
    saved: figure(
      "Saved now",
      "What is swapped out, less zswap's compressed copies. File pages that were given back are not counted by the kernel."
    ),
    pressure: figure("Most pressure", "The group whose tasks waited most for memory in the last 10 s"),
    refaults: figure("Refaults", "Pages that came back into memory, all groups together"),
    groups: figure("Groups", "That a rule picks")
  }
  const search = el("input", {
    type: "search",
    placeholder: "Filter by name, policy or decision",
    "aria-label": "Filter groups",
    spellcheck: "false"
  })
  const shown = el("output", { class: "shown" })
  const chips = kinds.map((each) => ({ each, button: el("button", { type: "button" }) }))
  const heads = columns.map(([column, head, help]) => ({
    column,
    cell: el("th", { scope: "col", class: `head-${column}` }, el("button", { type: "button", title: help }, head))
  }))
  const body = el("tbody")
  const none = el("p", { class: "none" }, "No group has all of these words. ", el("kbd", {}, "Esc"), " shows all again.")
  const table = el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: "groups" },
      el("caption", {}, "Groups that a rule picks"),
      el("thead", {}, el("tr", {}, ...heads.map(({ cell }) => cell))),
      body
    ),
    none
  )
  const list = el(
    "section",
    { "aria-label": "Groups" },
    el("dl", { class: "figures" }, ...Object.values(figures).map(({ element }) => element)),
    el(
      "div",
      { class: "tools" },
      search,
      el("div", { class: "chips", role: "group", "aria-label": "Which groups" }, ...chips.map(({ button }) => button)),
      shown
    ),
    table
  )
  const element = el("div")

  const renderFigures = ({ groups, groups_seen }: DaemonStatus): void => {
    const { byKind, currentBytes, refaultsPerSecond, savedBytes, worst } = totalsOf(groups)
    const all = currentBytes + savedBytes
    figures.memory.set(bytes(currentBytes), `of ${count(groups.length)} group${groups.length === 1 ? "" : "s"}`)
    figures.saved.set(bytes(savedBytes), all === 0 ? "" : `${percent((savedBytes / all) * 100)} of what they would hold`)
    figures.pressure.set(
      percent(worst?.pressure_percent ?? 0),
      worst === undefined ? "no task waited for memory" : nameOf(worst),
      pressureTone(worst?.pressure_percent)
    )
    figures.refaults.set(`${perSecond(refaultsPerSecond)}/s`, "pages came back")
    figures.groups.set(
      count(groups.length),
      byKind.problems > 0 ? `${count(byKind.problems)} with problems` : `of ${count(groups_seen)} on this machine`,
      byKind.problems > 0 ? "bad" : undefined
    )
    for (const { button, each } of chips) {
      setText(button, `${kindNames[each]} ${count(byKind[each])}`)
      setAttribute(button, "aria-pressed", String(each === kind))
      setAttribute(button, "data-tone", each === "problems" && byKind.problems > 0 ? "bad" : undefined)
    }
  }

  const render = (): void => {
    if (latest === undefined) return
    const { groups, now_ms } = latest
    if (groups.length === 0) {
      if (element.firstElementChild?.className !== "empty") setChildren(element, [emptyOf(latest)])
      return
    }
    setChildren(element, [list])
    renderFigures(latest)
    const visible = sorted(filtered(groups, search.value, kind), order)
    const mostBytes = Math.max(1, ...groups.map(({ current_bytes = 0, saved_bytes = 0 }) => current_bytes + saved_bytes))
    const known = new Set(groups.map(({ group }) => group))
    for (const group of rows.keys()) if (!known.has(group)) rows.delete(group)
    const elements = visible.map((summary) => {
      const row = rows.get(summary.group) ?? makeRow(summary.group)
      rows.set(summary.group, row)
      row.update(summary, mostBytes, now_ms)
      return row.element
    })
    setChildren(body, elements)
    none.hidden = visible.length > 0
    setText(shown, visible.length === groups.length ? "" : `${count(visible.length)} of ${count(groups.length)}`)
    for (const { cell, column } of heads)
      setAttribute(cell, "aria-sort", column === order.column ? (order.isDescending ? "descending" : "ascending") : "none")
  }

  for (const { cell, column } of heads)
    cell.firstElementChild!.addEventListener("click", () => {
      order = column === order.column ? { column, isDescending: !order.isDescending } : firstOrder(column)
      render()
    })
  for (const { button, each } of chips)
    button.addEventListener("click", () => {
      kind = each
      render()
    })
  search.addEventListener("input", render)
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return
    search.value = ""
    kind = "all"
    render()
  })
  body.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    const row = (event.target as Element).closest("tr")
    const next = step === 1 ? row?.nextElementSibling : step === -1 ? row?.previousElementSibling : undefined
    const link = next?.querySelector("a")
    if (link === undefined || link === null) return
    event.preventDefault()
    link.focus()
  })

  return {
    element,
    search,
    /** Where somebody was before they looked at the group. */
    focus: (group: string): void => rows.get(group)?.link.focus(),
    update: (status: DaemonStatus): void => {
      latest = status
      render()
    }
  }
}
