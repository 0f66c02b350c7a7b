/** What a run of the comparison runs: a built-in workload by name, or `trace:FILE`, the replay of a page trace, over and over. */
import { decodeTrace, findSimScenario, type PageTrace, replayTrace, type SimScenario, simScenarios, TraceFormatError } from "@wmo/sim"
import { Data, Effect } from "effect"
import { readFileSync } from "node:fs"

/** Why a run has no result: one line. */
export class JobFailed extends Data.TaggedError("JobFailed")<{ readonly message: string }> {}

const tracePrefix = "trace:"

/** Reads a page trace from a file. */
export const readTrace = (file: string): Effect.Effect<PageTrace, JobFailed> =>
  Effect.try({
    try: () => {
      const trace = decodeTrace(readFileSync(file))
      for (const tick of trace.read()) void tick
      return trace
    },
    catch: (cause) =>
      new JobFailed({
        message:
          cause instanceof TraceFormatError
            ? `${file}: ${cause.message}`
            : `cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

/** Finds what the name means; fails with a line that says what there is. */
export const scenarioOf = (name: string): Effect.Effect<SimScenario, JobFailed> => {
  if (name.startsWith(tracePrefix)) {
    return Effect.flatMap(readTrace(name.slice(tracePrefix.length)), (trace) =>
      trace.ticks === 0
        ? Effect.fail(new JobFailed({ message: `${name.slice(tracePrefix.length)} holds no tick` }))
        : Effect.succeed<SimScenario>({
            name,
            summary: trace.source,
            suite: "comparison",
            make: () => replayTrace(trace, { isRepeated: true })
          })
    )
  }
  const scenario = findSimScenario(name)
  return scenario === undefined
    ? Effect.fail(
        new JobFailed({
          message: `there is no simulated workload "${name}"; there are ${simScenarios.map((one) => one.name).join(", ")}, and trace:FILE`
        })
      )
    : Effect.succeed(scenario)
}
