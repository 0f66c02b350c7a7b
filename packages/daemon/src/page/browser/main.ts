/**
 * The page: asks wmod every two seconds what is so, shows the list of groups or one of them (`#/group/PATH`), and says so when nobody answers. Asks
 * less often where answers take long, and not at all while nobody looks.
 */
import type { DaemonStatus } from "../../protocol/Status.ts"
import { makeGroupTable } from "./groupTable.ts"
import { type GroupAnswer, makeGroupView } from "./groupView.ts"
import { type Lost, makeHeader, makeNotices } from "./header.ts"

const everyMs = 2000
const silenceMs = 5000
/** Of the time, for asking and drawing. */
const workShare = 0.05

const main = document.querySelector<HTMLElement>("#main")!
const header = makeHeader(document.querySelector<HTMLElement>("#top")!)
const say = makeNotices(document.querySelector<HTMLElement>("#notices")!)
const table = makeGroupTable()

let status: DaemonStatus | undefined
let lostSinceMs: number | undefined
let opened: { readonly group: string; readonly view: ReturnType<typeof makeGroupView> } | undefined
let timer = 0
let turn = 0

const groupOfPage = (): string | undefined => {
  const [, group] = /^#\/group\/(.+)$/.exec(location.hash) ?? []
  try {
    return group === undefined ? undefined : decodeURIComponent(group)
  } catch {
    return undefined
  }
}

const ask = async <A>(path: string): Promise<A | undefined> => {
  const response = await fetch(path, { signal: AbortSignal.timeout(silenceMs), cache: "no-store" })
  if (response.status === 404) return undefined
  if (!response.ok) throw new Error(`${response.status}`)
  return (await response.json()) as A
}

const lost = (): Lost | undefined => (lostSinceMs === undefined ? undefined : { sinceMs: lostSinceMs, nowMs: Date.now() })

const show = (now: DaemonStatus, answer: GroupAnswer | undefined): void => {
  // Another version has another page.
  if (status !== undefined && status.version !== now.version) location.reload()
  status = now
  lostSinceMs = undefined
  header.update(now)
  table.update(now)
  opened?.view.update(answer, now.now_ms)
}

const nobodyAnswers = (): void => {
  lostSinceMs ??= Date.now()
  header.lost()
}

const look = async (): Promise<void> => {
  clearTimeout(timer)
  const mine = ++turn
  const startMs = performance.now()
  try {
    const group = opened?.group
    const [now, answer] = await Promise.all([
      ask<DaemonStatus>("/api/status"),
      group === undefined ? undefined : ask<GroupAnswer>(`/api/group?name=${encodeURIComponent(group)}`)
    ])
    // Somebody has turned to something else meanwhile.
    if (mine !== turn) return
    if (now === undefined) nobodyAnswers()
    else show(now, answer)
  } catch {
    if (mine !== turn) return
    nobodyAnswers()
  }
  say(status, lost())
  document.body.toggleAttribute("data-lost", lostSinceMs !== undefined)
  const tookMs = performance.now() - startMs
  timer = setTimeout(look, lostSinceMs === undefined ? Math.max(everyMs, tookMs / workShare) : everyMs)
}

const route = (): void => {
  const group = groupOfPage()
  if (group === opened?.group && main.hasChildNodes()) return
  const before = opened
  before?.view.destroy()
  opened = group === undefined ? undefined : { group, view: makeGroupView(group) }
  main.replaceChildren(opened?.view.element ?? table.element)
  scrollTo(0, 0)
  if (opened !== undefined) opened.view.heading.focus({ preventScroll: true })
  else if (before !== undefined) table.focus(before.group)
  void look()
}

addEventListener("hashchange", route)
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer)
  else void look()
})
addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof HTMLInputElement
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    if (opened !== undefined) location.hash = "#/"
    event.preventDefault()
    setTimeout(() => table.search.focus(), 0)
  } else if (event.key === "Escape" && !isTyping && opened !== undefined) location.hash = "#/"
})
route()
