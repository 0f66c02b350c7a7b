/**
 * The contract of a sampler, a plug-in: reads raw numbers of some subjects, once a turn. It has no clock and computes no rates: the
 * `SampleLoop` says when, whoever looks computes. `testSampler` of `@wmo/monitors/testing` is the suite that all of them pass.
 */
import type { KernelError } from "@wmo/core"
import type { Effect, Scope } from "effect"
import type { Sample, SubjectKind } from "./Sample.ts"

/** A sampler at work. */
export interface Sampling {
  /**
   * One sample of each of its subjects now. A subject that goes away meanwhile is left out without an error; so is one that was not there
   * yet. Fails only where the sampler as a whole cannot go on.
   */
  readonly sample: Effect.Effect<ReadonlyArray<Sample>, KernelError>
  /** Succeeds when something has happened that is worth a sample at once: pressure. May be waited for again. Absent: never. */
  readonly wake?: Effect.Effect<void, KernelError> | undefined
}

export interface Sampler<out E = never, out R = never> {
  /** What options and errors call it. */
  readonly name: string
  /** What it needs of the machine, for people; one that lacks it answers less, or nothing. */
  readonly needs: ReadonlyArray<string>
  /** Kinds of which each of its samples has every subject that it watches: one that is missing is gone. */
  readonly kinds: ReadonlyArray<SubjectKind>
  /** Opens what it reads; closed with the scope. */
  readonly make: Effect.Effect<Sampling, E, R | Scope.Scope>
}

/** What making one of some samplers can fail with, and what it needs. */
export type SamplerError<S> = S extends Sampler<infer E, unknown> ? E : never
export type SamplerServices<S> = S extends Sampler<unknown, infer R> ? R : never
