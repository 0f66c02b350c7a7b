/**
 * The contract of a policy, the plug-in of this system: a value with a pure `decide`. No I/O, no clock, no fibers.
 * Third-party policies implement the same interface and run the same conformance suite (`@wmo/policies/testing`).
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Observation } from "@wmo/monitors"
import type { Action } from "./Action.ts"
import type { Settings, SettingValues } from "./Setting.ts"

/** What a policy cannot work without. Checked before it starts. */
export type Need =
  | "page-age"
  | "promotions"
  | "pressure"
  | "memory.high"
  | "memory.reclaim"
  | "swappiness"
  | "lru_gen"
  | "damon"
  | "damon_reclaim"

/** What came of an action of the step before. */
export interface PastAction {
  /** As the guard rails let it through. */
  readonly action: Action
  /** By how much the group's memory fell while it ran; undefined for actions that reclaim nothing, or that failed. */
  readonly reclaimedBytes: Bytes | undefined
  readonly tookMs: Milliseconds
}

export interface DecideInput<S extends Settings> {
  readonly observation: Observation
  readonly settings: SettingValues<S>
  /** Never ask for less memory than this to be left. */
  readonly floorBytes: Bytes
  /** Never ask for more than this to be reclaimed in this step. */
  readonly budgetBytes: Bytes
  /** What came of the step before; absent where nothing is carried out (replay, dry runs). */
  readonly before?: ReadonlyArray<PastAction> | undefined
}

export interface Decision<State> {
  readonly actions: ReadonlyArray<Action>
  /** Why, with the numbers that decided it, for a person. Never empty. */
  readonly reason: string
  readonly state: State
  /**
   * It need not be asked again before this moment as long as nothing moves: neither the group's memory, nor what was reclaimed of it or came back, nor
   * stalls. Whoever looks after thousands of groups then looks at those less often. Absent: it must be asked every tick.
   */
  readonly dueMs?: Milliseconds | undefined
}

export interface Policy<S extends Settings = Settings, State = unknown> {
  readonly name: string
  /** What it does, in one sentence. */
  readonly summary: string
  /** Where the algorithm comes from. */
  readonly source: string
  readonly settings: S
  readonly needs: ReadonlyArray<Need>
  /** The ages of memory that it asks about: sources that can choose their bins get an edge at each. */
  readonly ages?: (settings: SettingValues<S>) => ReadonlyArray<Milliseconds>
  readonly initialState: State
  readonly decide: (input: DecideInput<S>, state: State) => Decision<State>
}

/** Declares a policy, its types inferred. */
export const definePolicy = <S extends Settings, State>(policy: Policy<S, State>): Policy<S, State> => policy

/** A policy whose settings and state are its own business: what registries and loops hold. */
export type AnyPolicy = Policy<any, any>
