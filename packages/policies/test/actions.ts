/** What decisions ask for, second by second, for tests of policies. */
import type { Action, Decision } from "../src/index.ts"

type Of<Tag extends Action["_tag"]> = Extract<Action, { readonly _tag: Tag }>

/** The actions of one kind with the second in which they were asked for. */
export const asked = <Tag extends Action["_tag"]>(
  decisions: ReadonlyArray<Decision<unknown>>,
  tag: Tag
): ReadonlyArray<readonly [second: number, action: Of<Tag>]> =>
  decisions.flatMap(({ actions }, second) =>
    actions.filter((action): action is Of<Tag> => action._tag === tag).map((action) => [second, action] as const)
  )

export const secondsOf = (decisions: ReadonlyArray<Decision<unknown>>, tag: Action["_tag"]): ReadonlyArray<number> =>
  asked(decisions, tag).map(([second]) => second)
