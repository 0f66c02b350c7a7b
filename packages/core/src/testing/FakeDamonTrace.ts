/**
 * DAMON's tracepoints in the tracefs of the fake kernel: instances that are made and removed, `trace_pipe` that gives what is enabled and
 * otherwise answers EAGAIN. Models kernel/trace/trace.c as far as a reader without blocking can see.
 */
import type { Since } from "../damon/DamonLayout.ts"
import { damonTracepoints } from "../damon/DamonTraceEvent.ts"
import type { DamonEngine, DamonTraceReader } from "./DamonEngine.ts"
import { hasSince } from "./damonWords.ts"
import { Errno, type FakeFs } from "./FakeFs.ts"

const encoder = new TextEncoder()

/** What a buffer holds; later lines are lost. The kernel overwrites the oldest ones instead. */
const linesAtMost = 100_000

/** Each second look finds what was aggregated since the last one. */
const madeUp = (aggregate: () => string, isOn: (name: string) => boolean) => {
  let isTurn = false
  return (): string => {
    isTurn = !isTurn
    return isTurn && isOn("damon_aggregated") ? aggregate() : ""
  }
}

/** `source` gives the lines of one aggregation, each second time that a pipe is looked at; or it is an engine that tells of events. */
export const addDamonTracing = (fs: FakeFs, tracing: string, kernel: Since, source: DamonEngine | (() => string)): void => {
  const since: Readonly<Record<string, Since>> = {
    damon_aggregated: [5, 15],
    damos_before_apply: [6, 7],
    damos_stat_after_apply_interval: [7, 0],
    damos_esz: [6, 17],
    damon_monitor_intervals_tune: [6, 17]
  }
  const events = damonTracepoints.filter((name) => hasSince(kernel, since[name]!))
  const addEvents = (directory: string) => {
    for (const name of events) fs.file(`${directory}/events/damon/${name}/enable`, "0\n", 0o640)
  }
  addEvents(tracing)
  const readers = new Map<string, DamonTraceReader>()
  const told = (engine: DamonEngine, isOn: (name: string) => boolean, path: string) => {
    let pending: Array<string> = []
    const reader: DamonTraceReader = {
      wants: isOn,
      take: (line) => {
        if (pending.length < linesAtMost) pending.push(line)
      }
    }
    engine.addTraceReader(reader)
    readers.set(path, reader)
    // Whole lines, as many as there is room for.
    return (length: number): string => {
      let text = ""
      let taken = 0
      while (taken < pending.length && text.length + pending[taken]!.length <= length) text += pending[taken++]!
      pending = pending.slice(taken)
      return text
    }
  }
  const instances = `${tracing}/instances`
  fs.directory(instances)
  fs.watch(instances, {
    onMkdir: (path) => {
      addEvents(path)
      fs.file(`${path}/buffer_size_kb`, "1408\n", 0o640)
      const isOn = (name: string) => events.some((known) => known === name) && fs.text(`${path}/events/damon/${name}/enable`).trim() === "1"
      const lines = typeof source === "function" ? madeUp(source, isOn) : told(source, isOn, path)
      fs.file(
        `${path}/trace_pipe`,
        {
          isNotSeekable: true,
          readAt: (_, length) => {
            const bytes = lines(length)
            if (bytes === "") throw new Errno("EAGAIN")
            return encoder.encode(bytes)
          }
        },
        0o440
      )
    },
    onRmdir: (path) => {
      const reader = readers.get(path)
      if (reader !== undefined && typeof source !== "function") source.removeTraceReader(reader)
      readers.delete(path)
    }
  })
}
