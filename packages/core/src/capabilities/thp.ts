/**
 * Transparent huge pages, and whether zswap can take them. Only read. Source: Documentation/admin-guide/mm/transhuge.rst; mm/zswap.c, which
 * stores large folios since 6.13 and before that lets them pass to the swap device.
 */
import { Effect } from "effect"
import { capability, isAtLeast, makeProbe } from "./probe.ts"

/** The chosen word of `always [madvise] never`. */
const chosen = (text: string | undefined): string | undefined => /\[(\w+)\]/.exec(text ?? "")?.[1]

export const probeThp = Effect.gen(function* () {
  const { list, roots, text } = yield* makeProbe
  const directory = `${roots.sys}/kernel/mm/transparent_hugepage`
  const title = "Transparent huge pages (THP)"
  const use = "knowing whether reclaimed memory reaches zswap, where its group pays for it"
  const mode = chosen(yield* text(`${directory}/enabled`))
  if (mode === undefined) {
    return capability("thp", title, use, { state: "no", detail: "this kernel is built without it (CONFIG_TRANSPARENT_HUGEPAGE)" })
  }
  // Since 6.8 every size has a switch of its own, which may inherit the common one.
  const sizes: Array<string> = []
  for (const name of yield* list(directory)) {
    const own = /^hugepages-\d+kB$/.test(name) ? chosen(yield* text(`${directory}/${name}/enabled`)) : undefined
    if (own !== undefined) sizes.push(own === "inherit" ? mode : own)
  }
  const isAlways = (sizes.length > 0 ? sizes : [mode]).includes("always")
  const release = (yield* text(`${roots.proc}/sys/kernel/osrelease`)) ?? ""
  const hasZswap = /^[Yy1]/.test((yield* text(`${roots.sys}/module/zswap/parameters/enabled`)) ?? "")
  if (isAlways && hasZswap && !isAtLeast(release, 6, 13)) {
    return capability("thp", title, use, {
      state: "yes",
      detail: "always, and zswap stores huge pages since 6.13 only: they pass it by to the swap device, and savings can look too large",
      enable: `echo madvise > ${directory}/${mode === "always" ? "" : "hugepages-SIZEkB/"}enabled`
    })
  }
  return capability("thp", title, use, {
    state: "yes",
    detail: isAlways && mode !== "always" ? `${mode}, but always for some sizes` : mode
  })
})
