/** What workloads do with what came of them: hand it to `wmo run`, and say it. */
import { Console, Effect } from "effect"
import { writeFileSync } from "node:fs"
import { ExitCode, Failure } from "../Exit.ts"

/** Hands the result to `wmo run`, which records it. */
export const publish = (result: object): void => {
  const file = process.env["WMO_RESULT"]
  if (file !== undefined) writeFileSync(file, JSON.stringify(result))
}

interface Finished {
  readonly operations_per_second: number
  readonly p99_us: number
  readonly wrong_bytes: number
}

/** Says and hands on what came of a workload; fails where content was lost. */
export const conclude = Effect.fnUntraced(function* (name: string, json: boolean, result: Finished, note: string) {
  publish(result)
  const pace = result.operations_per_second
  if (json) yield* Console.log(JSON.stringify(result))
  else {
    yield* Console.log(
      `${name}: ${pace < 100 ? pace.toFixed(2) : Math.round(pace).toLocaleString("en-US")} operations/s, ` +
        `p99 ${result.p99_us.toFixed(1)} µs, ${note}, ${result.wrong_bytes} wrong bytes`
    )
  }
  if (result.wrong_bytes > 0)
    return yield* new Failure({ message: `${result.wrong_bytes} bytes came back wrong`, exitCode: ExitCode.failed })
})
