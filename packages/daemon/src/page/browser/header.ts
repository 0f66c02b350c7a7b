/** The top of the page: which wmod this is, what it does at the moment, what it costs; and notices of what somebody should know or do. */
import type { DaemonStatus } from "../../protocol/Status.ts"
import { el, setAttribute, setChildren, setText } from "./dom.ts"
import { ago, bytes, count, duration, percent, timeOfDay } from "./format.ts"

/** Nobody answers since then, by the browser's clock. */
export interface Lost {
  readonly sinceMs: number
  readonly nowMs: number
}

const modes = { running: "running", paused: "paused", emergency: "emergency stop" } as const

/** What its CPU time grew by over the last half minute, by the browser's clock: a simulated machine's may run fast. Undefined at first. */
const cpuMeter = () => {
  let samples: ReadonlyArray<readonly [atMs: number, seconds: number]> = []
  return ({ cpu_seconds }: DaemonStatus): number | undefined => {
    const nowMs = performance.now()
    const [, before = 0] = samples.at(-1) ?? []
    if (cpu_seconds < before) samples = []
    samples = [...samples.filter(([atMs]) => nowMs - atMs <= 30_000), [nowMs, cpu_seconds]]
    const [firstMs, first] = samples[0]!
    return nowMs - firstMs < 1000 ? undefined : ((cpu_seconds - first) / ((nowMs - firstMs) / 1000)) * 100
  }
}

const fact = (name: string, help: string) => {
  const value = el("dd")
  return { element: el("div", { title: help }, el("dt", {}, name), value), value }
}

export const makeHeader = (top: HTMLElement) => {
  const host = el("span", { class: "host" })
  const mode = el("span", { class: "pill" })
  const dry = el("span", { class: "pill", "data-tone": "info" }, "dry run")
  const facts = {
    version: fact("version", "Of wmod"),
    up: fact("up", "Since wmod was started"),
    cpu: fact("its CPU", "Of one CPU, over the last half minute"),
    rss: fact("its memory", "Resident memory of wmod itself"),
    seen: fact("cgroups", "Groups on this machine, whether a rule picks them or not"),
    config: fact("configuration", "The file, and when it was taken"),
    recording: fact("recording", "Where observations, decisions and outcomes are written")
  }
  const cpu = cpuMeter()
  top.append(
    el("div", { class: "brand" }, el("a", { href: "#/" }, "wmod"), host, mode, dry),
    el("dl", { class: "facts" }, ...Object.values(facts).map(({ element }) => element))
  )
  dry.hidden = true
  setText(mode, "connecting")
  const set = (name: keyof typeof facts, text: string | undefined): void => {
    facts[name].element.hidden = text === undefined
    setText(facts[name].value, text ?? "")
  }
  return {
    update: (status: DaemonStatus): void => {
      setText(host, status.host)
      setText(mode, modes[status.mode])
      setAttribute(mode, "data-tone", { running: "good", paused: "warn", emergency: "bad" }[status.mode])
      dry.hidden = !status.dry_run
      set("version", status.version)
      set("up", duration(status.now_ms - status.started_ms))
      set("cpu", percent(cpu(status)))
      set("rss", bytes(status.rss_bytes))
      set("seen", count(status.groups_seen))
      set("config", `${status.config}, taken ${ago(status.now_ms - status.loaded_ms)}`)
      set("recording", status.recording)
      document.title = `wmod · ${status.host}`
    },
    lost: (): void => {
      setText(mode, "unreachable")
      setAttribute(mode, "data-tone", "bad")
      document.title = "wmod · unreachable"
    }
  }
}

const notice = (tone: string, head: string, ...text: ReadonlyArray<Node | string>): HTMLElement =>
  el("p", { class: "notice", "data-tone": tone }, el("strong", {}, head), " ", ...text)

const code = (text: string): HTMLElement => el("code", {}, text)

const noticesOf = (status: DaemonStatus | undefined, lost: Lost | undefined): ReadonlyArray<HTMLElement> => {
  if (lost !== undefined) {
    const since = duration(lost.nowMs - lost.sinceMs)
    const seen = status === undefined ? "" : ` What is shown is from ${timeOfDay(status.now_ms)}.`
    return [
      notice(
        "bad",
        "wmod does not answer",
        `at ${location.host} for ${since}.${seen} Trying again every two seconds. Whether it runs: `,
        code("systemctl status wmod"),
        "; what it said last: ",
        code("journalctl -u wmod"),
        "."
      )
    ]
  }
  if (status === undefined) return []
  const { budget, config, dry_run, mode, monitors = [], pods, recording_problem, reloads_refused, why } = status
  return [
    ...(mode === "emergency"
      ? [notice("bad", "Emergency stop:", `${why ?? "unknown"}. Everything is put back; wmod goes on by itself when it is over.`)]
      : []),
    ...(mode === "paused" ? [notice("warn", "Paused:", "everything is put back. ", code("wmo resume"), " goes on.")] : []),
    ...(recording_problem === undefined ? [] : [notice("warn", "The recording has gaps:", recording_problem)]),
    ...(pods?.problem === undefined ? [] : [notice("warn", `Names of pods from ${pods.source} are not up to date:`, pods.problem)]),
    ...monitors.flatMap(({ name, problem }) => (problem === undefined ? [] : [notice("warn", `Monitor ${name} fails:`, problem)])),
    ...(budget.stride > 1
      ? [notice("warn", "wmod is short of CPU:", `it looks at groups once in ${budget.stride} ticks, to stay within its own budget.`)]
      : []),
    ...(dry_run
      ? [
          notice(
            "info",
            "A dry run:",
            "decisions are shown, nothing is changed. Take ",
            code("dry_run"),
            ` out of ${config} and `,
            code("wmo reload"),
            " when they look right."
          )
        ]
      : []),
    ...(reloads_refused === 0
      ? []
      : [notice("info", "A configuration was refused", `(${reloads_refused} so far): `, code(`wmod check ${config}`))])
  ]
}

/** Said anew only when something else is to be said: a screen reader is not told every two seconds. */
export const makeNotices = (place: HTMLElement) => {
  let said = ""
  return (status: DaemonStatus | undefined, lost: Lost | undefined): void => {
    const notices = noticesOf(status, lost)
    const text = notices.map(({ textContent }) => textContent).join("\n")
    if (text === said) return
    said = text
    setChildren(place, notices)
  }
}
