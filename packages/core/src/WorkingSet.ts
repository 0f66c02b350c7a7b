/**
 * Working-set reporting (out-of-tree kernels): page-age histograms of groups and nodes, and the intervals that drive them.
 * Reading a report that is older than its refresh interval ages the group: the observer perturbs. See WorkingSetReport for the formats.
 */
import { Context, Effect, Layer } from "effect"
import { Cgroups } from "./Cgroups.ts"
import { KernFs, type KernelError } from "./KernFs.ts"
import type { KernFsError } from "./KernFsError.ts"
import { KernelRoots } from "./KernelRoots.ts"
import type { Milliseconds } from "./Units.ts"
import { memcgPageAge, nodePageAge, type NodePageAge, type PageAgeBin, pageAgeIntervals, refreshIntervals } from "./WorkingSetReport.ts"

export class WorkingSet extends Context.Service<
  WorkingSet,
  {
    /** Whether this kernel reports working sets for the group at all. */
    readonly supports: (group: string) => Effect.Effect<boolean>
    /** Page ages by node, descendants included; nodes without a report are left out. */
    readonly group: (group: string) => Effect.Effect<ReadonlyArray<NodePageAge>, KernelError>
    readonly node: (node: number) => Effect.Effect<ReadonlyArray<PageAgeBin>, KernelError>
    /** Labels of the bins on a node, shared by all groups. */
    readonly intervals: (node: number) => Effect.Effect<ReadonlyArray<Milliseconds>, KernelError>
    /** Absolute path of a node's `page_age_intervals`, for `Journal.set`. */
    readonly intervalsPath: (node: number) => string
    readonly refreshIntervals: (group: string) => Effect.Effect<Readonly<Record<number, Milliseconds>>, KernelError>
    /** Switches a group's report on (or off with 0). The kernel takes one node a write. */
    readonly setRefreshInterval: (group: string, node: number, ms: Milliseconds) => Effect.Effect<void, KernFsError>
  }
>()("@wmo/core/WorkingSet") {
  static readonly layer: Layer.Layer<WorkingSet, never, KernFs | Cgroups> = Layer.effect(
    WorkingSet,
    Effect.gen(function* () {
      const fs = yield* KernFs
      const cgroups = yield* Cgroups
      const { sys } = yield* KernelRoots
      const nodePath = (node: number, file: string) => `${sys}/devices/system/node/node${node}/workingset_report/${file}`
      return WorkingSet.of({
        supports: (group) => fs.exists(cgroups.path(group, memcgPageAge.file)),
        group: (group) => cgroups.read(group, memcgPageAge),
        node: (node) => fs.decode(nodePath(node, "page_age"), nodePageAge),
        intervals: (node) => fs.decode(nodePath(node, "page_age_intervals"), pageAgeIntervals),
        intervalsPath: (node) => nodePath(node, "page_age_intervals"),
        refreshIntervals: (group) => cgroups.read(group, refreshIntervals),
        setRefreshInterval: (group, node, ms) => fs.write(cgroups.path(group, refreshIntervals.file), `N${node}=${ms}`)
      })
    })
  )
}
