/**
 * build: a kernel-like compilation, again and again. make starts a compiler for each source file, two at a time; each has memory of its own
 * that comes and goes with it, reads its source, the headers that all share, and the compiler's text; the object file it leaves is read once
 * by the linker. After a build comes a pause, then a part of it is built again, as after an edit.
 * Simplified: processes do not share pages copy-on-write; directories and dentries are not there.
 */
import type { Bytes, Milliseconds } from "@wmo/core"
import type { Random } from "../Random.ts"
import type { PageRange, Step, Workload } from "../Workload.ts"
import { around, layout, mib, pagesOf, partOf, sweep, until } from "./layout.ts"

export interface BuildOptions {
  /** Default 160. */
  readonly units?: number
  /** Of all sources together. Default 64 MiB. */
  readonly sourceBytes?: Bytes
  /** Default 24 MiB; a compiler reads a third of it. */
  readonly headerBytes?: Bytes
  /** Compiler, make, linker: text. Default 28 MiB. */
  readonly toolBytes?: Bytes
  /** Object files. Default 64 MiB. */
  readonly objectBytes?: Bytes
  /** make, a shell and an editor's language server, idle for the most part. Default 64 MiB. */
  readonly sessionBytes?: Bytes
  /** A compiler's own memory. Default 16 MiB, half more or less. */
  readonly compilerBytes?: Bytes
  /** How long a compiler takes. Default 2 s, half more or less. */
  readonly compileMs?: Milliseconds
  /** Compilers at a time. Default 2. */
  readonly jobs?: number
  /** Between two builds. Default 3 min, a third more or less. */
  readonly pauseMs?: Milliseconds
  /** Units that are built again after the first build. Default 0.35 of all. */
  readonly rebuiltShare?: number
}

/** See the module's header. */
export const build = (options: BuildOptions = {}): Workload => {
  const units = options.units ?? 160
  const compilerBytes = options.compilerBytes ?? 16 * mib
  const compileMs = options.compileMs ?? 2000
  const { anonPages, at, filePages } = layout(
    { session: options.sessionBytes ?? 64 * mib },
    {
      sources: options.sourceBytes ?? 64 * mib,
      headers: options.headerBytes ?? 24 * mib,
      tools: options.toolBytes ?? 28 * mib,
      objects: options.objectBytes ?? 64 * mib
    }
  )
  const shared = (range: PageRange, isWrite = false): Step => ({ ...sweep(range, { isWrite, thinkUs: 10 }), isShared: true })
  const unitOf = (range: PageRange, unit: number) => partOf(range, unit / units, (unit + 1) / units)

  const compiler = (unit: number, random: Random): Workload => {
    const own = pagesOf(around(random, compilerBytes, 0.5))
    const passMs = around(random, compileMs, 0.5) / 8
    const headerStart = random.nextFraction() * (2 / 3)
    return {
      name: "cc",
      anonPages: own,
      filePages: 0,
      load: [],
      tasks: [
        function* (context): Generator<Step, void> {
          yield shared(at.tools)
          yield shared(unitOf(at.sources, unit))
          yield shared(partOf(at.headers, headerStart, headerStart + 1 / 3))
          for (let pass = 0; pass < 8; pass++) {
            const nextMs = context.nowMs() + passMs
            yield sweep(partOf({ first: 0, pages: own }, 0, (pass + 1) / 8), { isWrite: true, thinkUs: 5, touchesPerOperation: 16 })
            yield* until(context, nextMs)
          }
          yield { _tag: "Free", ...unitOf(at.objects, unit), isShared: true }
          yield shared(unitOf(at.objects, unit), true)
        }
      ]
    }
  }

  return {
    name: "build",
    anonPages,
    filePages,
    load: [at.session],
    tasks: [
      function* (context): Generator<Step, void> {
        const { random } = context
        const jobs = options.jobs ?? 2
        for (let round = 0; ; round++) {
          for (let unit = 0; unit < units; unit++) {
            if (round > 0 && random.nextFraction() > (options.rebuiltShare ?? 0.35)) continue
            yield { _tag: "Start", workload: compiler(unit, random) }
            yield { _tag: "Wait", running: jobs - 1 }
          }
          yield { _tag: "Wait", running: 0 }
          yield sweep(at.objects, { thinkUs: 5 })
          yield* until(context, context.nowMs() + around(random, options.pauseMs ?? 180_000, 1 / 3))
        }
      },
      function* (context): Generator<Step, void> {
        const awake = partOf(at.session, 0, 0.15)
        for (;;) {
          const nextMs = context.nowMs() + 1000
          yield sweep(awake, { isWrite: true, thinkUs: 10 })
          yield* until(context, nextMs)
        }
      }
    ]
  }
}
