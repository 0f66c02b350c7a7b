/**
 * server: a web application. Code, of which a part runs all the time and the rest once in a while; memory from start-up that is never looked
 * at again; a heap of sessions, each busy for some minutes, then forgotten and in the end freed; an object cache and static files, both with a
 * popular part and a long tail; a job every ten minutes that goes through tables of its own.
 * Simplified: requests come in batches once a second; the load does not change over the day.
 */
import type { Bytes, Pages } from "@wmo/core"
import type { Random } from "../Random.ts"
import type { PageRange, Step, Workload } from "../Workload.ts"
import { around, layout, mib, partOf, sweep, touchPages, until } from "./layout.ts"

export interface ServerOptions {
  /** Default 400. */
  readonly requestsPerSecond?: number
  /** Program text and libraries. Default 48 MiB. */
  readonly codeBytes?: Bytes
  /** Used while starting, never again. Default 72 MiB. */
  readonly startBytes?: Bytes
  /** Room for sessions. Default 96 MiB. */
  readonly sessionBytes?: Bytes
  /** Default 64 MiB. */
  readonly cacheBytes?: Bytes
  /** Default 96 MiB. */
  readonly staticBytes?: Bytes
  /** Tables of the periodic job. Default 32 MiB. */
  readonly jobBytes?: Bytes
}

const sessionPages: Pages = 24
/** Sessions are asked for this long, are forgotten, and are freed when their place is needed. */
const sessionMs = 240_000
const jobEveryMs = 600_000

/** A page of a range, by a power law: half of all draws fall into the first `0.5 ** power` of it. */
const skewed = (random: Random, { first, pages }: PageRange, power: number): number =>
  first + Math.floor(pages * random.nextFraction() ** power)

/** See the module's header. */
export const server = (options: ServerOptions = {}): Workload => {
  const perSecond = options.requestsPerSecond ?? 400
  const { anonPages, at, filePages } = layout(
    {
      start: options.startBytes ?? 72 * mib,
      sessions: options.sessionBytes ?? 96 * mib,
      cache: options.cacheBytes ?? 64 * mib,
      job: options.jobBytes ?? 32 * mib
    },
    { code: options.codeBytes ?? 48 * mib, static: options.staticBytes ?? 96 * mib }
  )
  const places = Math.floor(at.sessions.pages / sessionPages)
  const place = (n: number): PageRange => ({ first: at.sessions.first + (n % places) * sessionPages, pages: sessionPages })
  // A place is used again after twenty minutes.
  const newPerSecond = places / 1200
  const living = Math.ceil((newPerSecond * sessionMs) / 1000)
  return {
    name: "server",
    anonPages,
    filePages,
    load: [at.code, at.start, at.cache, at.job],
    tasks: [
      function* (context): Generator<Step, void> {
        const { random } = context
        const hotCode = partOf(at.code, 0, 0.3)
        let begun = 0
        let due = 0
        for (;;) {
          const nextMs = context.nowMs() + 1000
          for (due += newPerSecond; due >= 1; due--) {
            if (begun >= places) yield { _tag: "Free", ...place(begun) }
            yield sweep(place(begun++), { isWrite: true })
          }
          yield sweep(hotCode, { thinkUs: 10 })
          const list: Array<number> = []
          for (let request = 0; request < perSecond; request++) {
            const session = place(Math.max(0, begun - 1 - random.nextBelow(Math.min(living, Math.max(1, begun)))))
            list.push(session.first + random.nextBelow(sessionPages))
            list.push(skewed(random, at.cache, 6), skewed(random, at.static, 8))
            list.push(random.nextBelow(50) === 0 ? skewed(random, at.code, 2) : hotCode.first + random.nextBelow(hotCode.pages))
          }
          yield touchPages(list, { thinkUs: 150, touchesPerOperation: 4 })
          yield* until(context, nextMs)
        }
      },
      function* (context): Generator<Step, void> {
        for (;;) {
          yield* until(context, context.nowMs() + around(context.random, jobEveryMs, 0.1))
          for (let pass = 0; pass < 3; pass++) yield sweep(at.job, { isWrite: pass === 2, thinkUs: 100 })
        }
      }
    ]
  }
}
