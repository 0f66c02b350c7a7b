/**
 * DAMON's tracepoints in the tracefs of the fake kernel: instances that are made and removed, `trace_pipe` that gives what is enabled and
 * otherwise answers EAGAIN. Models kernel/trace/trace.c as far as a reader without blocking can see.
 */
import type { Since } from "../damon/DamonLayout.ts"
import { damonTracepoints } from "../damon/DamonTraceEvent.ts"
import { hasSince } from "./damonWords.ts"
import { Errno, type FakeFs } from "./FakeFs.ts"

const encoder = new TextEncoder()

/** `aggregate` gives the lines of one aggregation, each second time that a pipe is looked at. */
export const addDamonTracing = (fs: FakeFs, tracing: string, kernel: Since, aggregate: () => string): void => {
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
  const instances = `${tracing}/instances`
  fs.directory(instances)
  fs.watch(instances, {
    onMkdir: (path) => {
      addEvents(path)
      fs.file(`${path}/buffer_size_kb`, "1408\n", 0o640)
      let isTurn = false
      const isOn = (name: string) => fs.text(`${path}/events/damon/${name}/enable`).trim() === "1"
      fs.file(
        `${path}/trace_pipe`,
        {
          isNotSeekable: true,
          // Each second look finds what was aggregated since the last one.
          readAt: () => {
            isTurn = !isTurn
            const text = isTurn && isOn("damon_aggregated") ? aggregate() : ""
            if (text === "") throw new Errno("EAGAIN")
            return encoder.encode(text)
          }
        },
        0o440
      )
    },
    onRmdir: () => undefined
  })
}
