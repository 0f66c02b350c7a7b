/** Lines of DAMON's tracepoints, as kernels and perf print them. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { DamonTraceParser, parseDamonTrace } from "../src/index.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const aggregated =
  "       kdamond.0-231     [001] .....    12.345678: damon_aggregated: target_id=0 nr_regions=14 4194304-5629015990272: 3 21\n"

describe("DamonTraceParser", () => {
  it("reads regions with and without age, of ftrace and of perf", () => {
    const file = `# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
${aggregated}
kdamond.0 46568 [027] 79357.842179: damon:damon_aggregated: target_id=18446623435582458880 nr_regions=11 122509119488-135708762112: 0 864
 my-daemon with-blanks-77 [000] d..1. 0.000001: damon_aggregated: target_id=1 nr_regions=3 0-18446744073709551615: 0
`
    assert.deepStrictEqual(parseDamonTrace(bytes(file)), [
      {
        event: "damon_aggregated",
        task: "kdamond.0",
        pid: 231,
        cpu: 1,
        time: 12.345678,
        targetId: 0n,
        nrRegions: 14,
        start: 4_194_304n,
        end: 5_629_015_990_272n,
        nrAccesses: 3,
        age: 21
      },
      {
        event: "damon_aggregated",
        task: "kdamond.0",
        pid: 46_568,
        cpu: 27,
        time: 79_357.842179,
        targetId: 18_446_623_435_582_458_880n,
        nrRegions: 11,
        start: 122_509_119_488n,
        end: 135_708_762_112n,
        nrAccesses: 0,
        age: 864
      },
      {
        event: "damon_aggregated",
        task: "my-daemon with-blanks",
        pid: 77,
        cpu: 0,
        time: 0.000001,
        targetId: 1n,
        nrRegions: 3,
        start: 0n,
        end: 2n ** 64n - 1n,
        nrAccesses: 0
      }
    ])
  })

  it("reads the other tracepoints, and how many were lost", () => {
    const prefix = "kdamond.0-9 [000] ..... 1.500000: "
    const from = { task: "kdamond.0", pid: 9, cpu: 0, time: 1.5 }
    const file = [
      "damos_before_apply: ctx_idx=0 scheme_idx=2 target_idx=1 nr_regions=10 4096-8192: 1 7",
      "damos_stat_after_apply_interval: ctx_idx=0 scheme_idx=1 stat=1 2 3 4 5 6 18446744073709551615",
      "damos_esz: ctx_idx=0 scheme_idx=1 esz=134217728",
      "damon_monitor_intervals_tune: sample_us=5000",
      "sched_switch: prev_comm=x",
      "damon_aggregated: target_id="
    ]
      .map((line) => `${prefix}${line}\n`)
      .join("")
    assert.deepStrictEqual(parseDamonTrace(bytes(`CPU:3 [LOST 512 EVENTS]\n${file}`)), [
      { event: "lost", cpu: 3, count: 512 },
      {
        event: "damos_before_apply",
        ...from,
        contextIndex: 0,
        schemeIndex: 2,
        targetIndex: 1,
        nrRegions: 10,
        start: 4096n,
        end: 8192n,
        nrAccesses: 1,
        age: 7
      },
      {
        event: "damos_stat_after_apply_interval",
        ...from,
        contextIndex: 0,
        schemeIndex: 1,
        nrTried: 1n,
        szTried: 2n,
        nrApplied: 3n,
        szApplied: 4n,
        szOpsFilterPassed: 5n,
        qtExceeds: 6n,
        nrSnapshots: 2n ** 64n - 1n
      },
      { event: "damos_esz", ...from, contextIndex: 0, schemeIndex: 1, bytes: 134_217_728n },
      { event: "damon_monitor_intervals_tune", ...from, sampleUs: 5000 }
    ])
  })

  it("gives the same wherever the stream is cut", () => {
    const file = bytes(aggregated.repeat(5))
    const whole = parseDamonTrace(file)
    assert.lengthOf(whole, 5)
    fc.assert(
      fc.property(fc.array(fc.nat(file.length), { maxLength: 8 }), (cuts) => {
        const parser = new DamonTraceParser()
        const edges = [0, ...cuts.toSorted((a, b) => a - b), file.length]
        const events = edges.slice(1).flatMap((end, i) => parser.push(file.subarray(edges[i], end)))
        assert.deepStrictEqual(events, whole)
      }),
      { seed: 20261121, numRuns: 500 }
    )
  })

  it("passes over whatever bytes it does not understand", () => {
    const alphabet = fc.constantFrom(..."kdamon_agregt.0123456789 []:-=\n#CPULOSTEVN".split("")).map((char) => char.charCodeAt(0))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.array(alphabet, { maxLength: 200 }).map((chars) => Uint8Array.from(chars)),
          fc.tuple(fc.nat(aggregated.length), fc.uint8Array({ maxLength: 5 })).map(([at, added]) => {
            const line = bytes(aggregated)
            return new Uint8Array([...line.subarray(0, at), ...added, ...line.subarray(at)])
          })
        ),
        (input) => {
          for (const event of parseDamonTrace(input)) assert.isString(event.event)
        }
      ),
      { seed: 20261121, numRuns: 10_000 }
    )
  })
})
