/**
 * Who can tell how cold a page is: MGLRU, DAMON, working-set reporting, the idle bitmap. DAMON is only read: a kdamond that runs is
 * somebody's. Sources: Documentation/admin-guide/mm/{multigen_lru,damon/usage,idle_page_tracking}.rst.
 */
import { Effect } from "effect"
import { KernFs } from "../KernFs.ts"
import { lruGen } from "../LruGen.ts"
import { mountInfo } from "../Proc.ts"
import { capability, makeProbe } from "./probe.ts"

const probeMglru = Effect.gen(function* () {
  const fs = yield* KernFs
  const { exists, roots, text } = yield* makeProbe
  const switchPath = `${roots.sys}/kernel/mm/lru_gen/enabled`
  const enabled = yield* text(switchPath)
  const bits = Number(enabled ?? 0)
  const isOn = (bits & 1) === 1
  const names = ["generations", "leaf table walks", "non-leaf accessed bits"].filter((_, i) => ((bits >> i) & 1) === 1)
  const mglru = capability("mglru", "Multi-generational LRU (MGLRU)", "reclaim that knows ages", {
    state: enabled === undefined ? "no" : isOn ? "yes" : "off",
    detail:
      enabled === undefined
        ? "this kernel is built without it (CONFIG_LRU_GEN, 6.1)"
        : `enabled is ${enabled}${names.length > 0 ? ` (${names.join(", ")})` : ""}`,
    enable: enabled === undefined || isOn ? undefined : `echo y > ${switchPath}`
  })

  const tablePath = `${roots.debug}/lru_gen`
  const title = "MGLRU's table of generations (debugfs)"
  const use = "ageing a group, seeing its cold pages and evicting just those"
  const table = yield* Effect.gen(function* () {
    if (enabled === undefined) return capability("mglru-debugfs", title, use, { state: "no", detail: "needs MGLRU" })
    // Opens it only: printing the table takes a lock per group.
    const opened = yield* Effect.result(Effect.scoped(fs.hold(tablePath, lruGen)))
    if (opened._tag === "Success") return capability("mglru-debugfs", title, use, { state: "yes", detail: `${tablePath} can be read` })
    if (!opened.failure.isGone) {
      return capability("mglru-debugfs", title, use, { state: "off", detail: opened.failure.message, enable: "run as root" })
    }
    const mounts = yield* Effect.orElseSucceed(fs.decode(`${roots.proc}/self/mountinfo`, mountInfo), () => [])
    const isMounted = mounts.some(({ fsType }) => fsType === "debugfs") || (yield* exists(`${roots.debug}/sched`))
    return capability("mglru-debugfs", title, use, {
      state: isMounted ? "no" : "off",
      detail: isMounted ? "debugfs is mounted and has no lru_gen" : "debugfs is not mounted",
      enable: isMounted ? undefined : `mount -t debugfs none ${roots.debug}`
    })
  })
  return [mglru, table]
})

const modules = ["damon_reclaim", "damon_lru_sort", "damon_stat"]

const probeDamon = Effect.gen(function* () {
  const { exists, list, roots, text } = yield* makeProbe
  const admin = `${roots.sys}/kernel/mm/damon/admin/kdamonds`
  const running: Array<string> = []
  const operations = new Set<string>()
  for (const index of (yield* list(admin)).filter((name) => /^\d+$/.test(name))) {
    const state = yield* text(`${admin}/${index}/state`)
    if (state === "on") running.push(`kdamond ${index} (pid ${(yield* text(`${admin}/${index}/pid`)) ?? "unknown"})`)
    const available = (yield* text(`${admin}/${index}/contexts/0/avail_operations`)) ?? ""
    for (const name of available.split(/\s+/).filter(Boolean)) operations.add(name)
  }
  for (const name of modules) {
    const enabled = yield* text(`${roots.sys}/module/${name}/parameters/enabled`)
    if (enabled !== undefined && /^[Yy1]/.test(enabled)) running.push(`module ${name}`)
  }
  const title = "DAMON"
  const use = "access heatmaps, hot and cold regions of processes and of physical memory"
  const offered = operations.size > 0 ? `; operations: ${[...operations].join(" ")}` : ""
  if (running.length > 0) {
    return capability("damon", title, use, {
      state: "busy",
      detail: `in use by somebody: ${running.join(", ")}${offered}`,
      enable: "stop its owner first; WMO reads it and leaves it alone"
    })
  }
  if (!(yield* exists(`${admin}/nr_kdamonds`))) {
    return capability("damon", title, use, { state: "no", detail: "this kernel has no DAMON in sysfs (CONFIG_DAMON_SYSFS, 5.18)" })
  }
  return capability("damon", title, use, { state: "yes", detail: `present, no kdamond runs${offered}` })
})

const probeOthers = Effect.gen(function* () {
  const { exists, list, roots } = yield* makeProbe
  const nodes = (yield* list(`${roots.sys}/devices/system/node`)).filter((name) => /^node\d+$/.test(name))
  let hasReport = false
  for (const node of nodes) hasReport ||= yield* exists(`${roots.sys}/devices/system/node/${node}/workingset_report`)
  const report = capability("working-set", "Working-set reporting", "histograms of page age by group, from the kernel", {
    state: hasReport ? "yes" : "no",
    detail: hasReport ? "this kernel has the out-of-tree series" : "this kernel lacks the out-of-tree series (2023 to 2024, never merged)"
  })
  const bitmap = `${roots.sys}/kernel/mm/page_idle/bitmap`
  const hasBitmap = yield* exists(bitmap)
  const idle = capability("idle-bitmap", "Idle page bitmap", "exact idle pages, by scanning page frames", {
    state: hasBitmap ? "yes" : "no",
    detail: hasBitmap ? bitmap : "this kernel is built without it (CONFIG_IDLE_PAGE_TRACKING)"
  })
  return [report, idle]
})

export const probePageAges = Effect.gen(function* () {
  return [...(yield* probeMglru), yield* probeDamon, ...(yield* probeOthers)]
})
