/**
 * What a sampler must keep to, wherever it runs: whole samples, one a subject, raw integers, names that say their unit, shared shapes, counters
 * that do not fall, and no subjects but of its kinds.
 */
import { assert, describe, it } from "@effect/vitest"
import type { KernelError } from "@wmo/core"
import { Effect, type Layer, type Scope } from "effect"
import type { Sample, SampleValue } from "../Sample.ts"
import type { Sampler } from "../Sampler.ts"

export interface TestSamplerOptions<E, R, LE> {
  readonly sampler: Sampler<E, R>
  /** What it runs on. Made anew for each test. */
  readonly layer: () => Layer.Layer<R, LE>
  /** At least one subject of each of these kinds is there. */
  readonly expects: ReadonlyArray<string>
}

const metricName = /^[a-z][a-z0-9_.]*$/
const least = -(2n ** 63n)
const most = 2n ** 64n - 1n

const isRaw = (value: SampleValue): boolean =>
  value === undefined || (typeof value === "bigint" ? value >= least && value <= most : Number.isSafeInteger(value))

const keyOf = ({ subject }: Sample): string => `${subject.kind} ${subject.name}`

/** Names of counters: what is neither an amount nor an average grows. */
const mayFall = /_bytes$|_bp$|_pages$|_threads$|^vmstat_nr_|^meminfo_|^zram_|^zswap_|^vmstat_/

export const testSampler = <E, R, LE>(name: string, { expects, layer, sampler }: TestSamplerOptions<E, R, LE>): void => {
  const using = <A>(body: (sample: Effect.Effect<ReadonlyArray<Sample>, KernelError>) => Effect.Effect<A, KernelError>) =>
    Effect.scoped(Effect.flatMap(sampler.make, ({ sample }) => body(sample)) as Effect.Effect<A, E | KernelError, R | Scope.Scope>).pipe(
      Effect.provide(layer())
    ) as Effect.Effect<A, E | KernelError | LE>

  describe(`sampler ${name}`, () => {
    it.effect("says what it is, and what it needs", () =>
      Effect.sync(() => {
        assert.isNotEmpty(sampler.name)
        assert.isNotEmpty(sampler.needs)
        assert.isNotEmpty(sampler.kinds)
      })
    )

    it.effect("samples each of its subjects, whole and raw", () =>
      using((sample) =>
        Effect.gen(function* () {
          const samples = yield* sample
          for (const kind of expects)
            assert.include(
              samples.map(({ subject }) => subject.kind),
              kind
            )
          for (const one of samples) {
            assert.include(sampler.kinds, one.subject.kind)
            assert.strictEqual(one.values.length, one.metrics.length, keyOf(one))
            assert.strictEqual(new Set(one.metrics).size, one.metrics.length, `a name twice in ${keyOf(one)}`)
            one.metrics.forEach((metric, i) => {
              assert.match(metric, metricName)
              assert.isTrue(isRaw(one.values[i]), `${keyOf(one)} ${metric} is ${String(one.values[i])}`)
            })
          }
          const machineless = samples.filter(({ subject }) => subject.kind !== "machine").map(keyOf)
          assert.deepStrictEqual([...new Set(machineless)], machineless, "one sample a subject")
        })
      )
    )

    it.effect("keeps one array of names for a shape, and changes no sample that it has given", () =>
      using((sample) =>
        Effect.gen(function* () {
          const first = yield* sample
          const copies = first.map(({ values }) => Array.from(values))
          const second = yield* sample
          first.forEach(({ values }, i) => assert.deepStrictEqual(Array.from(values), copies[i]))
          const shapes = new Map<string, ReadonlyArray<string>>()
          for (const { metrics } of [...first, ...second]) {
            const key = metrics.join(" ")
            assert.strictEqual(shapes.get(key) ?? metrics, metrics)
            shapes.set(key, metrics)
          }
        })
      )
    )

    it.effect("its counters do not fall", () =>
      using((sample) =>
        Effect.gen(function* () {
          const first = new Map((yield* sample).map((one) => [`${keyOf(one)} ${one.metrics.join(" ")}`, one]))
          for (const one of yield* sample) {
            const before = first.get(`${keyOf(one)} ${one.metrics.join(" ")}`)
            one.metrics.forEach((metric, i) => {
              const was = before?.values[i]
              const is = one.values[i]
              if (was === undefined || is === undefined || mayFall.test(metric)) return
              assert.isTrue(is >= was, `${metric} fell from ${was} to ${is}`)
            })
          }
        })
      )
    )
  })
}
