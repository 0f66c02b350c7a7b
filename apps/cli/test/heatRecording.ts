/** A recording of a made-up process for tests of the heatmap: a hot, a waving and an idle part of its heap, memory of its own, a library. */
import { Recorder } from "@wmo/recording"
import { Effect } from "effect"
import { freshFile, mib } from "./harness.ts"

export const heap = 0x5600_0000_0000
const startMs = Date.parse("2026-11-21T12:00:00Z")
const far = 0x7f00_0000_0000
const subject = { kind: "process", name: "4711@12345", detail: { title: "app (pid 4711)" } }
const mappings = [
  { start: heap, bytes: 48 * mib, name: "[heap]", anon: 48 * mib },
  { start: far, bytes: 24 * mib, name: "[anon]", anon: 24 * mib },
  { start: far + 100 * mib, bytes: 8 * mib, name: "/usr/lib/libc.so.6", anon: 0 }
]

const accessesAt = (address: number, tick: number): number => {
  if (address < heap + 16 * mib) return 20
  if (address < heap + 32 * mib) return Math.max(0, Math.round(10 + 10 * Math.sin(tick / 20)))
  return address >= far && address < far + 8 * mib && tick % 50 < 5 ? 4 : 0
}

/** 30 s at ten frames a second. */
export const heatRecording = Effect.fnUntraced(function* () {
  const file = freshFile()
  yield* Effect.gen(function* () {
    const recorder = yield* Recorder
    const run = yield* recorder.start({
      label: "heatmap",
      group: "",
      policy: "none",
      settings: { detail: "DAMON vaddr, sample 5 ms" },
      kernel: "6.12.0-fake",
      clock: "real",
      everyMs: 0,
      dryRun: false,
      startedMs: startMs
    })
    const samples = mappings.map(({ anon, bytes, name, start }) => ({
      subject: { kind: "mapping", name: `4711@12345 ${start.toString(16)}-${(start + bytes).toString(16)} ${name}` },
      metrics: ["mapping_resident_bytes", "mapping_anon_bytes"],
      values: [bytes, anon]
    }))
    for (let tick = 0; tick < 300; tick++) {
      const regions = mappings.flatMap(({ bytes, start }) =>
        Array.from({ length: bytes / mib }, (_, i) => ({
          start: BigInt(start + i * mib),
          end: BigInt(start + (i + 1) * mib),
          accesses: accessesAt(start + i * mib, tick),
          age: 1
        }))
      )
      yield* run.snapshot({
        atMs: startMs + tick * 100,
        ...(tick === 0 ? { samples, complete: ["mapping"] } : { complete: [] }),
        heat: [{ subject, source: "damon-vaddr", sampleUs: 5000, aggregationUs: 100_000, regions }]
      })
    }
    yield* run.end({ endedMs: startMs + 30_000, missedTicks: 0 })
  }).pipe(Effect.provide(Recorder.layerFile(file)))
  return file
})
