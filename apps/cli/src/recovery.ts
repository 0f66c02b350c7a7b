/** At every start: undo what a killed wmo left behind, and say so on stderr. */
import { Journal, type KernFs, type Recovery, type Undone } from "@wmo/core"
import { Console, Effect } from "effect"
import { stateDirectory } from "./stateDirectory.ts"

const describe = (undone: Undone): string => {
  switch (undone.result) {
    case "restored":
      return `restored ${undone.path} to ${undone.was || "empty"}`
    case "removed":
      return `removed ${undone.path}`
    case "gone":
      return `${undone.path} is gone`
    case "passed on":
    case "kept":
      return `left ${undone.path} as it is: ${undone.why}`
  }
}

const lines = ({ command, pid, undone }: Recovery): ReadonlyArray<string> => [
  `wmo: an earlier run could not clean up behind itself (pid ${pid}: ${command})`,
  ...undone.map((change) => `wmo:   ${describe(change)}`)
]

export const recoverFromCrash: Effect.Effect<void, never, KernFs> = Effect.suspend(() => Journal.recover(stateDirectory())).pipe(
  Effect.flatMap((recoveries) => Effect.forEach(recoveries.flatMap(lines), (line) => Console.error(line), { discard: true }))
)
