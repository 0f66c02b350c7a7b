/**
 * Runs jobs of a comparison in processes of their own: this program again, as `wmo sim worker`. A process is used for one job after the
 * other and ends with the scope; one that dies is a failure of its job, and the next job gets a new one.
 */
import { type BoundResult, type Job, JobFailed, type PolicyResult } from "@wmo/lab"
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface, type Interface } from "node:readline"

type Result = BoundResult | PolicyResult

interface Worker {
  readonly child: ChildProcess
  readonly lines: Interface
}

interface Answer {
  readonly progress?: number
  readonly result?: Result
  readonly problem?: string
}

const start = (program: string): Worker => {
  const child = spawn(process.execPath, [...process.execArgv, program, "sim", "worker"], { stdio: ["pipe", "pipe", "inherit"] })
  // A job written to a process that is gone already fails by its exit.
  child.stdin!.on("error", () => {})
  return { child, lines: createInterface({ input: child.stdout! }) }
}

const isAlive = ({ child }: Worker): boolean => child.exitCode === null && child.signalCode === null && child.pid !== undefined

export type RunJob = (job: Job, onProgress: (share: number) => void) => Effect.Effect<Result, JobFailed>

/** At most as many processes as jobs run at the same time. `program`: the script of this command line. */
export const makeSimWorkers = (program: string): Effect.Effect<RunJob, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => ({ idle: new Array<Worker>(), all: new Set<Worker>() })),
      ({ all }) => Effect.sync(() => all.forEach(({ child }) => child.kill("SIGKILL")))
    ),
    ({ all, idle }): RunJob =>
      (job, onProgress) =>
        Effect.callback<Result, JobFailed>((resume) => {
          const known = idle.pop()
          const worker = known !== undefined && isAlive(known) ? known : start(program)
          all.add(worker)
          const settle = (effect: Effect.Effect<Result, JobFailed>): void => {
            worker.lines.off("line", onLine)
            worker.child.off("close", onEnd).off("error", onError)
            if (isAlive(worker)) idle.push(worker)
            else all.delete(worker)
            resume(effect)
          }
          const fail = (message: string) => settle(Effect.fail(new JobFailed({ message })))
          const onLine = (line: string): void => {
            const { problem, progress, result } = JSON.parse(line) as Answer
            if (progress !== undefined) onProgress(progress)
            else if (result !== undefined) settle(Effect.succeed(result))
            else fail(problem ?? "the run's process gave no answer")
          }
          const onEnd = (code: number | null, signal: string | null) => fail(`the run's process ended (${signal ?? `exit code ${code}`})`)
          const onError = (error: Error) => fail(`cannot start a process for the run: ${error.message}`)
          worker.lines.on("line", onLine)
          worker.child.once("close", onEnd).once("error", onError)
          worker.child.stdin!.write(`${JSON.stringify(job)}\n`)
          return Effect.sync(() => {
            worker.child.kill("SIGKILL")
            all.delete(worker)
          })
        })
  )
