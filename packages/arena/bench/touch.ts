/**
 * What a touch of a chunk that is raw costs: ns for 64 bytes at random places, against the same on a bare Uint8Array, in turns;
 * the best of the rounds.
 * Run: `node bench/touch.ts [MIB]` (64 by default). "watched" is with a controller's listener; "in view" holds views of all chunks.
 */
import { Effect } from "effect"
import { Arena, type ChunkView, controlArena, loadMemory, none, openArena, OffHeap, type Region } from "../src/index.ts"
import { random } from "../test/support/data.ts"

const mib = Number(process.argv[2] ?? 64)
const bytes = mib * 2 ** 20
const touches = 200_000
const rounds = 15
const length = 64

/** Places, the same for all. */
const source = random(3)
const places = Uint32Array.from({ length: touches }, () => source.below(bytes / length) * length)
const piece = new Uint8Array(length).fill(7)
const bare = new Uint8Array(bytes).fill(1)
const one = new Uint8Array(1)
/** Views that are open. */
let held: ReadonlyArray<ChunkView> = []

const nsOf = (touch: (offset: number) => void): number => {
  const started = performance.now()
  for (let at = 0; at < touches; at++) touch(places[at]!)
  return ((performance.now() - started) * 1e6) / touches
}

const kinds: Record<string, readonly [bare: (offset: number) => void, arena: (region: Region) => (offset: number) => void]> = {
  "read 64 bytes": [(offset) => piece.set(bare.subarray(offset, offset + length)), (region) => (offset) => region.readInto(offset, piece)],
  "write 64 bytes": [(offset) => bare.set(piece, offset), (region) => (offset) => region.write(offset, piece)],
  "a byte, changed": [
    (offset) => {
      bare[offset]!++
    },
    (region) => (offset) => {
      region.readInto(offset, one)
      one[0]!++
      region.write(offset, one)
    }
  ],
  "a byte, in view": [
    (offset) => {
      bare[offset]!++
    },
    (region) => {
      held = Array.from({ length: region.chunks }, (_, chunk) => region.view(chunk * region.chunkBytes, region.chunkBytes))
      const views = held.map(({ bytes: inView }) => inView)
      const { chunkBytes } = region
      return (offset) => {
        views[Math.floor(offset / chunkBytes)]![offset % chunkBytes]!++
      }
    }
  ]
}

const measure = (name: string, region: Region): void => {
  for (const [kind, [onBare, onArena]] of Object.entries(kinds)) {
    const touch = onArena(region)
    const pairs = Array.from({ length: rounds }, () => [nsOf(onBare), nsOf(touch)] as const).slice(2)
    const [bareNs, arenaNs] = [Math.min(...pairs.map(([ns]) => ns)), Math.min(...pairs.map(([, ns]) => ns))]
    console.log(
      `${name.padEnd(10)}${kind.padEnd(18)}${bareNs.toFixed(0).padStart(8)}${arenaNs.toFixed(0).padStart(8)}${(arenaNs - bareNs).toFixed(0).padStart(8)}`
    )
  }
  for (const view of held) view.release()
}

console.log(`${"".padEnd(28)}${"bare ns".padStart(8)}${"arena".padStart(8)}${"more".padStart(8)}`)
const memory = await loadMemory()
const arena = await Arena.open({ memory })
const region = arena.region(bytes)
region.write(0, bare)
measure("plain", region)
await Effect.gen(function* () {
  const watched = yield* openArena()
  const other = watched.region(bytes)
  other.write(0, bare)
  yield* controlArena(watched, { predictor: none })
  measure("watched", other)
}).pipe(Effect.scoped, Effect.provide(OffHeap.layer), Effect.runPromise)
process.exit(0)
