/**
 * What can be done with kdamonds that the caller has acquired: set up, start, tune, ask, stop. Made by Damon.
 * Setting up and tuning write small files at once; commands work inside the kernel until the kdamond has answered, which takes up to an
 * aggregation interval, on a pool thread. What is Busy is tried again for five seconds.
 */
import { Effect } from "effect"
import type { Journal, JournalFailure } from "../Journal.ts"
import type { KernelError, KernFs } from "../KernFs.ts"
import type { KernFsError } from "../KernFsError.ts"
import { DamonNotRunning, DamonRejected, DamonUnsupported } from "./DamonErrors.ts"
import { kdamondState, signedFile, ulongFile } from "./DamonFiles.ts"
import { intervalsFields, kdamondFields, type Since, statsFields, triedRegionsFields } from "./DamonLayout.ts"
import type { DamonIntervals, DamonTriedRegion, DamosStats, Kdamond } from "./DamonTree.ts"
import { problemsOf } from "./makeKdamond.ts"
import { type DamonPatch, type TreeFiles, whileBusy } from "./treeFiles.ts"

/** What a command to a running kdamond can fail with. */
export type DamonCommandError = KernelError | DamonNotRunning | DamonRejected | DamonUnsupported

/** The matches of one scheme. */
export interface DamonSnapshot {
  /** Of all regions together (since 6.6). */
  readonly totalBytes?: number | undefined
  readonly regions: ReadonlyArray<DamonTriedRegion>
}

/** Kdamonds of the caller's. `index` counts from 0. */
export interface OwnedDamon {
  readonly count: number
  /** Everything below the kdamond, as its files say it. */
  readonly read: (index?: number) => Effect.Effect<Kdamond, KernelError>
  /**
   * Writes a whole set-up, in the kernel's order; what the value lacks is set to what the kernel begins with. Numbers of entries are
   * written only where they change. Takes effect at `start` or `commit`.
   */
  readonly stage: (kdamond: Kdamond, index?: number) => Effect.Effect<void, KernelError | DamonUnsupported>
  /** Starts it with what is staged; `Busy` where it runs already. The journal turns it off. */
  readonly start: (index?: number) => Effect.Effect<void, DamonCommandError | JournalFailure>
  /** Stops it; nothing where it is off already. */
  readonly stop: (index?: number) => Effect.Effect<void, KernelError | JournalFailure>
  /** Has a running kdamond take what is staged. */
  readonly commit: (index?: number) => Effect.Effect<void, DamonCommandError>
  /**
   * Changes only what is named, and commits if it runs. Intervals that the kernel tunes stay as it has tuned them. What is refused leaves
   * the files as they were (but for entries that were added).
   */
  readonly tune: (patch: DamonPatch<Kdamond>, index?: number) => Effect.Effect<void, DamonCommandError>
  /** Statistics of all schemes, as of now. */
  readonly updateStats: (index?: number) => Effect.Effect<ReadonlyArray<DamosStats>, DamonCommandError>
  /**
   * What one scheme (by default the first) matches, as of its next turn (since 6.2). A `stat` scheme with an open pattern gives the whole
   * picture. Blocks up to the scheme's apply interval; costs about the same per region as reading five files.
   */
  readonly snapshot: (options?: { readonly index?: number; readonly scheme?: number }) => Effect.Effect<DamonSnapshot, DamonCommandError>
  /** Bytes that each scheme matches (since 6.6): `snapshot` without the regions. */
  readonly updateTriedBytes: (index?: number) => Effect.Effect<ReadonlyArray<number>, DamonCommandError>
  /** Forgets the regions of the last snapshot, which hold memory in the kernel. */
  readonly clearTriedRegions: (index?: number) => Effect.Effect<void, DamonCommandError>
  /** The intervals that the kernel has come to (since 6.15). */
  readonly updateTunedIntervals: (index?: number) => Effect.Effect<DamonIntervals, DamonCommandError>
  /** The quota in bytes that each scheme has come to (since 6.9). */
  readonly updateEffectiveQuotas: (index?: number) => Effect.Effect<ReadonlyArray<number>, DamonCommandError>
  /** Has a running kdamond take the staged goals and nothing else, `currentValue` of `user_input` above all (since 6.8). */
  readonly commitQuotaGoals: (index?: number) => Effect.Effect<void, DamonCommandError>
}

/** Commands that came later than `state` itself, and a file below a scheme (or the context) that came with each. */
const laterCommands: Readonly<Record<string, readonly [since: Since, file: string]>> = {
  update_schemes_tried_regions: [[6, 2], "schemes/0/tried_regions"],
  clear_schemes_tried_regions: [[6, 2], "schemes/0/tried_regions"],
  update_schemes_tried_bytes: [[6, 6], "schemes/0/tried_regions/total_bytes"],
  commit_schemes_quota_goals: [[6, 8], "schemes/0/quotas/goals"],
  update_schemes_effective_quotas: [[6, 9], "schemes/0/quotas/effective_bytes"],
  update_tuned_intervals: [[6, 15], "monitoring_attrs/intervals/intervals_goal"]
}

const count = signedFile("nr_schemes")
const totalBytes = ulongFile("total_bytes")
const effectiveBytes = ulongFile("effective_bytes")
/** EINVAL, and the ENOMEM that 6.12 gives for a filter whose cgroup is not there. */
const isRefusal = ({ reason }: KernFsError): boolean => reason._tag === "Invalid" || (reason._tag === "Other" && reason.errno === "ENOMEM")

export const makeOwned = ({
  count: kdamondCount,
  fs,
  journal,
  kdamonds,
  tree
}: {
  readonly fs: KernFs["Service"]
  readonly tree: TreeFiles
  readonly journal: Journal["Service"]
  readonly kdamonds: string
  readonly count: number
}): OwnedDamon => {
  const path = (index: number) => `${kdamonds}/${index}`
  const statePath = (index: number) => `${path(index)}/state`
  const contextPath = (index: number) => `${path(index)}/contexts/0`
  const schemePath = (index: number, scheme: number) => `${contextPath(index)}/schemes/${scheme}`
  const read = (index = 0): Effect.Effect<Kdamond, KernelError> => tree.read(path(index), kdamondFields)
  const isOn = (index: number) => Effect.map(tree.decode(statePath(index), kdamondState), (state) => state === "on")

  const rejected = Effect.fnUntraced(function* (index: number, command: string, cause?: KernFsError) {
    return yield* new DamonRejected({ index, command, cause, problems: problemsOf(yield* read(index)) })
  })
  /** Before the kernel is asked: a commit that it cannot take ends the kdamond on kernels up to 6.12 at least, without an error. */
  const refuseIfWrong = Effect.fnUntraced(function* (index: number, command: string) {
    const problems = problemsOf(yield* read(index))
    if (problems.length > 0) return yield* new DamonRejected({ index, command, problems, cause: undefined })
  })

  /** A command to a running kdamond; the kernel's EINVAL made into what it means. */
  const command = Effect.fnUntraced(function* (index: number, word: string) {
    const refused = yield* Effect.result(tree.command(statePath(index), word))
    if (refused._tag === "Success") return
    if (!isRefusal(refused.failure)) return yield* refused.failure
    if (!(yield* isOn(index))) return yield* new DamonNotRunning({ index, command: word })
    const later = laterCommands[word]
    if (later !== undefined && (yield* tree.has(`${contextPath(index)}/${later[1]}`)) !== true) {
      return yield* new DamonUnsupported({ what: word, since: later[0] })
    }
    return yield* rejected(index, word, refused.failure)
  })

  const perScheme = Effect.fnUntraced(function* <A>(index: number, readOne: (directory: string) => Effect.Effect<A, KernelError>) {
    const schemes = yield* tree.decode(`${contextPath(index)}/schemes/nr_schemes`, count)
    const values: Array<A> = []
    for (let scheme = 0; scheme < schemes; scheme++) values.push(yield* readOne(schemePath(index, scheme)))
    return values
  })

  const commit = Effect.fn("Damon.commit")(function* (index: number = 0) {
    if (!(yield* isOn(index))) return yield* new DamonNotRunning({ index, command: "commit" })
    yield* refuseIfWrong(index, "commit")
    yield* command(index, "commit")
    if (!(yield* isOn(index))) return yield* rejected(index, "commit")
  })

  const tune = Effect.fn("Damon.tune")(function* (patch: DamonPatch<Kdamond>, index: number = 0) {
    const isRunning = yield* isOn(index)
    const intervals: DamonIntervals = yield* tree.read(`${contextPath(index)}/monitoring_attrs/intervals`, intervalsFields)
    if (isRunning && (intervals.goal?.aggrs ?? 0) > 0) yield* command(index, "update_tuned_intervals")
    const written: Array<readonly [path: string, was: string]> = []
    const write = Effect.fnUntraced(function* (file: string, text: string, isCount: boolean) {
      if (!isCount) written.push([file, new TextDecoder().decode(yield* whileBusy(fs.read(file))).trim()])
      yield* tree.write(file, text, isCount)
    })
    const putBack = () => Effect.forEach(written.toReversed(), ([file, was]) => Effect.ignore(tree.write(file, was, false)))
    yield* tree.tune(path(index), kdamondFields, patch, write).pipe(
      Effect.andThen(isRunning ? commit(index) : Effect.void),
      Effect.tapError(() => Effect.suspend(putBack))
    )
  }, Effect.uninterruptible)

  return {
    count: kdamondCount,
    read,
    stage: Effect.fn("Damon.stage")((kdamond: Kdamond, index: number = 0) => tree.stage(path(index), kdamondFields, kdamond, tree.write)),
    start: Effect.fn("Damon.start")(function* (index: number = 0) {
      yield* refuseIfWrong(index, "start")
      const on = journal.set(statePath(index), "on")
      // That it runs already will not pass.
      yield* ((yield* isOn(index)) ? on : whileBusy(on)).pipe(
        Effect.catchTag("KernFsError", (error) => (isRefusal(error) ? rejected(index, "start", error) : Effect.fail(error)))
      )
    }),
    stop: Effect.fn("Damon.stop")(function* (index: number = 0) {
      if (yield* isOn(index)) yield* whileBusy(journal.set(statePath(index), "off"))
    }),
    commit,
    tune,
    updateStats: Effect.fn("Damon.updateStats")(function* (index: number = 0) {
      yield* command(index, "update_schemes_stats")
      return yield* perScheme(index, (scheme): Effect.Effect<DamosStats, KernelError> => tree.read(`${scheme}/stats`, statsFields))
    }),
    snapshot: Effect.fn("Damon.snapshot")(function* ({ index = 0, scheme = 0 } = {}) {
      yield* command(index, "update_schemes_tried_regions")
      return (yield* tree.read(`${schemePath(index, scheme)}/tried_regions`, triedRegionsFields)) as DamonSnapshot
    }),
    updateTriedBytes: Effect.fn("Damon.updateTriedBytes")(function* (index: number = 0) {
      yield* command(index, "update_schemes_tried_bytes")
      return yield* perScheme(index, (scheme) => tree.decode(`${scheme}/tried_regions/total_bytes`, totalBytes))
    }),
    clearTriedRegions: Effect.fn("Damon.clearTriedRegions")((index: number = 0) => command(index, "clear_schemes_tried_regions")),
    updateTunedIntervals: Effect.fn("Damon.updateTunedIntervals")(function* (index: number = 0) {
      yield* command(index, "update_tuned_intervals")
      return (yield* tree.read(`${contextPath(index)}/monitoring_attrs/intervals`, intervalsFields)) as DamonIntervals
    }),
    updateEffectiveQuotas: Effect.fn("Damon.updateEffectiveQuotas")(function* (index: number = 0) {
      yield* command(index, "update_schemes_effective_quotas")
      return yield* perScheme(index, (scheme) => tree.decode(`${scheme}/quotas/effective_bytes`, effectiveBytes))
    }),
    commitQuotaGoals: Effect.fn("Damon.commitQuotaGoals")((index: number = 0) => command(index, "commit_schemes_quota_goals"))
  }
}
