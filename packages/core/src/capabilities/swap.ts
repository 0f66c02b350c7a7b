/**
 * Where reclaimed anonymous memory can go: swap areas, zswap, zram. Sources: Documentation/admin-guide/mm/zswap.rst, blockdev/zram.rst;
 * the warnings come from what operators report (zram above disk swap inverts the LRU, zram escapes cgroup accounting).
 */
import { Effect } from "effect"
import { KernFs } from "../KernFs.ts"
import { type SwapArea, swaps as swapsFile } from "../Proc.ts"
import { formatBytes } from "../Units.ts"
import { capability, makeProbe } from "./probe.ts"

const isZram = (area: SwapArea): boolean => /\/zram\d+$/.test(area.path)
const addSwap = "fallocate -l 4G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile"

const probeAreas = (areas: ReadonlyArray<SwapArea>) =>
  capability("swap", "Swap", "a place behind zswap; without one anonymous memory cannot be reclaimed", {
    state: areas.length > 0 ? "yes" : "off",
    detail:
      areas.length > 0
        ? areas.map((a) => `${a.path} ${formatBytes(a.sizeBytes)}, ${formatBytes(a.usedBytes)} used, priority ${a.priority}`).join("; ")
        : "there is no swap area",
    enable: areas.length > 0 ? undefined : addSwap
  })

const probeZswap = Effect.fnUntraced(function* (areas: ReadonlyArray<SwapArea>) {
  const { roots, text } = yield* makeProbe
  const parameters = `${roots.sys}/module/zswap/parameters`
  const enabled = yield* text(`${parameters}/enabled`)
  const title = "zswap"
  const use = "compressing cold anonymous memory, charged to its group"
  if (enabled === undefined) return capability("zswap", title, use, { state: "no", detail: "this kernel has no zswap (CONFIG_ZSWAP)" })
  const compressor = yield* text(`${parameters}/compressor`)
  const percent = yield* text(`${parameters}/max_pool_percent`)
  const settings = `compressor ${compressor ?? "unknown"}, pool up to ${percent ?? "?"} % of memory`
  if (!/^[Yy1]/.test(enabled)) {
    return capability("zswap", title, use, { state: "off", detail: `switched off; ${settings}`, enable: `echo 1 > ${parameters}/enabled` })
  }
  if (areas.length === 0) {
    return capability("zswap", title, use, {
      state: "off",
      detail: `on, but no swap behind it: nothing is compressed; ${settings}`,
      enable: addSwap
    })
  }
  const doubled = areas.every(isZram) ? "; its only backing is zram, which compresses a second time what zswap writes back" : ""
  return capability("zswap", title, use, { state: "yes", detail: `on; ${settings}${doubled}` })
})

const probeZram = Effect.fnUntraced(function* (areas: ReadonlyArray<SwapArea>) {
  const { list, roots, text } = yield* makeProbe
  const devices = (yield* list(`${roots.sys}/block`)).filter((name) => /^zram\d+$/.test(name))
  const title = "zram"
  const use = "a compressed swap device in memory; its pages are charged to no group, so WMO counts them in net savings"
  if (devices.length === 0) {
    return capability("zram", title, use, {
      state: "no",
      detail: "there is no zram device",
      enable: "modprobe zram (zswap is the better choice)"
    })
  }
  const sizes: Array<string> = []
  for (const name of devices) {
    const size = Number((yield* text(`${roots.sys}/block/${name}/disksize`)) ?? 0)
    sizes.push(`${name} ${size > 0 ? formatBytes(size) : "not set up"}`)
  }
  const zram = areas.filter(isZram)
  const disks = areas.filter((area) => !isZram(area))
  const top = Math.max(...zram.map(({ priority }) => priority))
  const isInverted = zram.length > 0 && disks.some(({ priority }) => top > priority)
  return capability("zram", title, use, {
    state: zram.length > 0 ? "yes" : "off",
    detail: `${sizes.join(", ")}; ${
      zram.length === 0
        ? "none of them is a swap area"
        : isInverted
          ? `priority ${top}, above ${disks[0]!.path}: cold pages fill zram and warm ones go to disk`
          : "in use as swap"
    }`,
    enable:
      zram.length === 0
        ? "not needed with zswap"
        : isInverted
          ? `swapoff ${zram[0]!.path} and use zswap before ${disks[0]!.path} instead`
          : undefined
  })
})

export const probeSwap = Effect.gen(function* () {
  const fs = yield* KernFs
  const { roots } = yield* makeProbe
  const areas = yield* Effect.orElseSucceed(fs.decode(`${roots.proc}/swaps`, swapsFile), (): ReadonlyArray<SwapArea> => [])
  return [probeAreas(areas), yield* probeZswap(areas), yield* probeZram(areas)]
})
