/**
 * What `wmo sim worker` does: jobs of a comparison from stdin, one line of JSON each, one after the other; answers on stdout in the same way:
 * `{"progress":0.1}`, and at the end `{"result":…}` or `{"problem":"…"}`. Ends with its input.
 */
import { type Job, runJob } from "@wmo/lab"
import { Effect, Stream } from "effect"
import { createInterface } from "node:readline"

const answer = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`)

export const simWorker = Effect.fn("wmo sim worker")(function* () {
  const lines = Stream.fromAsyncIterable(createInterface({ input: process.stdin }), (cause) => cause)
  yield* Stream.runForEach(lines, (line) => {
    let shown = 0
    const onProgress = (share: number) => {
      if (share - shown < 0.02) return
      shown = share
      answer({ progress: share })
    }
    return runJob(JSON.parse(line) as Job, onProgress).pipe(
      Effect.match({ onSuccess: (result) => answer({ result }), onFailure: ({ message }) => answer({ problem: message }) })
    )
  }).pipe(Effect.orDie)
})
