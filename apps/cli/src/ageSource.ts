/**
 * Starts a source of page ages that needs more than files: DAMON, the idle bitmap. One that was asked for by name and is not there is a machine
 * that cannot do it, in one line.
 */
import { Cgroups, Damon, DamonTrace, IdlePages, Mglru, PageMap, Processes } from "@wmo/core"
import type { SessionOptions } from "@wmo/control"
import { chooseAgeSource, makeTrackedPageAges, type PageAgeSource } from "@wmo/monitors"
import { Console, Effect, Layer } from "effect"
import { unsupported } from "./Exit.ts"
import type { LoopFlags } from "./loopOptions.ts"

/** What the sources need beside what every command on this machine has. */
export const ageServices = Layer.mergeAll(Processes.layer, IdlePages.layer, Damon.layer, DamonTrace.layer).pipe(
  Layer.provideMerge(PageMap.layer)
)

/** Fails where a source is not there. */
export const checkAgeSource = Effect.fnUntraced(function* (source: PageAgeSource | undefined, asked: string) {
  const damon = yield* Damon
  const idle = yield* IdlePages
  const mglru = yield* Mglru
  const missing =
    source === "damon-vaddr" && !(yield* damon.isPresent)
      ? "this kernel has no DAMON in sysfs (CONFIG_DAMON_SYSFS)"
      : source === "idle-pages" && !(yield* idle.available)
        ? "this kernel has no idle page tracking (CONFIG_IDLE_PAGE_TRACKING)"
        : source === "mglru" && !(yield* Effect.orElseSucceed(mglru.enabled, () => false))
          ? "MGLRU is off, or not there"
          : undefined
  if (missing !== undefined) return yield* unsupported(`--age-source ${asked}: ${missing}; see \`wmo doctor\``)
})

/** The options with the source that `--age-source` names, started for as long as the scope lives. */
export const withAgeSource = Effect.fnUntraced(
  function* (flags: LoopFlags, options: SessionOptions) {
    if (flags.pageAge !== "damon" && flags.pageAge !== "idle") return options
    const group = (yield* Cgroups).normalize(options.group)
    const { source } = yield* chooseAgeSource(flags.pageAge, group)
    yield* checkAgeSource(source, flags.pageAge)
    const told = new Set<string>()
    const onProblem = ({ message }: { readonly message: string }) =>
      Effect.suspend(() => {
        if (told.has(message)) return Effect.void
        told.add(message)
        return Console.error(`wmo: note: page ages: ${message}`)
      })
    const pageAge = yield* makeTrackedPageAges(group, source!, { takeOver: flags.takeOver, onProblem })
    return { ...options, pageAge } satisfies SessionOptions
  },
  (effect) => Effect.provide(effect, ageServices)
)
