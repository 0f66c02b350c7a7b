/** cgroup v2, its memory controller, proactive reclaim and pressure. Source: Documentation/admin-guide/cgroup-v2.rst, accounting/psi.rst. */
import { Effect, Result } from "effect"
import { findCgroupMounts } from "../CgroupMount.ts"
import { KernFs } from "../KernFs.ts"
import { pressureStall } from "../PressureStall.ts"
import { capability, isAtLeast, makeProbe } from "./probe.ts"

const unified = "boot with cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1, or use `wmo vm run`"

const probeMount = Effect.gen(function* () {
  const { v1, v1Memory, v2 } = yield* findCgroupMounts
  const layout = v2 === undefined ? (v1.length > 0 ? "v1 only" : "none mounted") : v1.length > 0 ? "hybrid (v1 and v2)" : "v2"
  const mount = capability("cgroup-v2", "cgroup v2", "finding groups and their processes", {
    state: v2 === undefined ? (v1.length > 0 ? "off" : "no") : v2.readOnly ? "off" : "yes",
    detail:
      v2 === undefined
        ? layout
        : `${layout}, mounted ${v2.readOnly ? "read-only " : ""}at ${v2.path}, controllers: ${v2.controllers.join(" ") || "none"}`,
    enable:
      v2 === undefined
        ? v1.length > 0
          ? unified
          : "mount -t cgroup2 none /sys/fs/cgroup"
        : v2.readOnly
          ? `mount -o remount,rw ${v2.path}, or run outside the container`
          : undefined
  })
  const hasMemory = v2?.memory ?? false
  const memory = capability("memory-controller", "Memory controller on cgroup v2", "usage, limits and statistics by group", {
    state: hasMemory ? "yes" : v1Memory === undefined ? "no" : "off",
    detail: hasMemory
      ? `memory is among the controllers of ${v2!.path}`
      : v1Memory === undefined
        ? "no hierarchy has the memory controller (cgroup_disable=memory, or CONFIG_MEMCG is not set)"
        : `the memory controller is on cgroup v1, at ${v1Memory}`,
    enable: hasMemory
      ? undefined
      : v1Memory === undefined
        ? "boot with cgroup_enable=memory"
        : "boot with cgroup_no_v1=memory, or use `wmo vm run`"
  })
  return { capabilities: [mount, memory], mount: hasMemory ? v2 : undefined }
})

const probeReclaim = Effect.fnUntraced(function* (mountPath: string | undefined) {
  const { exists, list, roots, text } = yield* makeProbe
  const release = (yield* text(`${roots.proc}/sys/kernel/osrelease`)) ?? ""
  const has = mountPath !== undefined && (yield* exists(`${mountPath}/memory.reclaim`))
  const takesSwappiness = isAtLeast(release, 6, 11)
  const reclaim = capability("memory-reclaim", "memory.reclaim", "reclaiming a number of bytes from a group, before anyone runs short", {
    state: has ? "yes" : "no",
    detail: has
      ? `present; swappiness= ${takesSwappiness ? "is" : "is not"} expected, by the release alone (6.11 has it)`
      : mountPath === undefined
        ? "needs the memory controller on cgroup v2"
        : "this kernel lacks it (5.19 has it)",
    enable: has || mountPath === undefined ? undefined : "boot a kernel of 5.19 or newer"
  })
  const nodes = (yield* list(`${roots.sys}/devices/system/node`)).filter((name) => /^node\d+$/.test(name))
  const hasNode = nodes.length > 0 && (yield* exists(`${roots.sys}/devices/system/node/${nodes[0]}/reclaim`))
  const node = capability("node-reclaim", "Reclaim by node", "reclaiming from a whole NUMA node, without groups", {
    state: hasNode ? "yes" : "no",
    detail: hasNode
      ? `${nodes.length === 1 ? "one node" : `${nodes.length} nodes`} with a reclaim file`
      : "this kernel lacks it (6.18 has it)"
  })
  return [reclaim, node]
})

const probePressure = Effect.gen(function* () {
  const fs = yield* KernFs
  const { roots } = yield* makeProbe
  const result = yield* Effect.result(fs.decode(`${roots.proc}/pressure/memory`, pressureStall))
  const title = "Pressure stall information (PSI)"
  const use = "measuring what reclaim costs the workload, and backing off"
  if (Result.isFailure(result)) {
    const isMissing = result.failure._tag === "KernFsError" && result.failure.isGone
    return capability("psi", title, use, {
      state: "off",
      detail: isMissing ? `${roots.proc}/pressure/memory is missing: PSI is switched off or not built` : result.failure.message,
      enable: "boot with psi=1"
    })
  }
  const some = result.success.some?.totalUs ?? 0n
  return capability("psi", title, use, {
    state: "yes",
    detail:
      some === 0n
        ? "readable; no memory stall since boot (or not counting: watch it under load)"
        : `readable; ${some / 1000n} ms of memory stall since boot`
  })
})

export const probeCgroups = Effect.gen(function* () {
  const { capabilities, mount } = yield* probeMount
  return [...capabilities, ...(yield* probeReclaim(mount?.path)), yield* probePressure]
})
