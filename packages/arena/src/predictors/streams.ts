/**
 * Synthetic streams of touches, seeded: what the seed's memory workloads do, and patterns that each predictor is for. Chunks are of 64 KiB.
 * They say when chunks are touched, not what is in them, and do not wait for restores. Every chunk that is in use is touched once a pass; the
 * page touches inside a chunk are one touch here.
 */
import type { TouchStream } from "./evaluate.ts"
import { randomFractions, range, region, shuffled, Touches } from "./streamParts.ts"

const seconds = 1000

export interface BurstOptions {
  readonly chunks?: number
  readonly activeMs?: number
  readonly idleMs?: number
  /** Each idle time is longer or shorter by up to this share. */
  readonly jitter?: number
  readonly bursts?: number
  readonly passMs?: number
  readonly coldMs?: number
  readonly seed?: number
}

const addBursts = (
  touches: Touches,
  chunks: ReadonlyArray<number>,
  { activeMs = 100, bursts = 60, idleMs = 400, jitter = 0.1, passMs = 20, seed = 1 }: BurstOptions,
  startMs = 0
): number => {
  const random = randomFractions(seed)
  let atMs = startMs
  for (let burst = 0; burst < bursts; burst++) {
    for (let pass = 0; (pass + 1) * passMs <= activeMs; pass++) touches.pass(chunks, atMs + pass * passMs, passMs)
    atMs += activeMs + idleMs * (1 + jitter * (2 * random() - 1))
  }
  return atMs
}

/** The seed's `interactive_burst`: the whole region over and over while active, then nothing. 256 MiB unless given. */
export const bursts = (options: BurstOptions = {}): TouchStream => {
  const { activeMs = 100, chunks = 4096, coldMs = 100, idleMs = 400 } = options
  const touches = new Touches()
  addBursts(touches, range(0, chunks), options)
  const learntByMs = 5.5 * (activeMs + idleMs)
  return {
    name: `burst ${activeMs}/${idleMs}`,
    summary: `${chunks} chunks for ${activeMs} ms every ${activeMs + idleMs} ms`,
    region: region(chunks, coldMs),
    learntByMs,
    ...touches.end()
  }
}

export const longBursts = (options: BurstOptions = {}): TouchStream =>
  bursts({ activeMs: 2 * seconds, idleMs: 8 * seconds, passMs: 100, coldMs: seconds, bursts: 30, ...options })

/** Three fifths of the region in an order that has nothing to do with addresses, with a period that doubles half way. */
export const changingBursts = (seed = 2, size = 4096): TouchStream => {
  const random = randomFractions(seed)
  const touches = new Touches()
  const chunks = shuffled(range(0, size), random).slice(0, Math.ceil(0.6 * size))
  const half = { bursts: 30, seed, jitter: 0.05 }
  addBursts(touches, chunks, { ...half, idleMs: 900 }, addBursts(touches, chunks, half))
  return {
    name: "burst changing",
    summary: `3/5 of ${size} chunks, shuffled; every 500 ms, later every 1000 ms`,
    region: region(size, 100),
    learntByMs: 2750,
    ...touches.end()
  }
}

/** The seed's `anon_streamer`: two passes, then a pause; 512 MiB. */
export const streamer = (): TouchStream => {
  const touches = new Touches()
  for (let pass = 0; pass < 24; pass++) touches.pass(range(0, 8192), pass * 820 + Math.floor(pass / 2) * 300, 820)
  return {
    name: "streamer",
    summary: "8192 chunks in order, 0.1 ms each; after every second pass a pause of 300 ms",
    region: region(8192, 100),
    learntByMs: 0,
    ...touches.end()
  }
}

/** A matrix by columns: every 17th chunk, then the next column. */
export const strided = (): TouchStream => {
  const touches = new Touches()
  for (let column = 0; column < 68; column++) touches.pass(range(column % 17, 240, 17), column * 48, 48)
  return {
    name: "strided",
    summary: "every 17th of 4096 chunks, column by column, 0.2 ms each",
    region: region(4096, 100),
    learntByMs: 0,
    ...touches.end()
  }
}

/** Five streams at once, of strides +1, −1, +3, −7 and +16, each at its own pace; each begins again at its end. */
export const interleaved = (): TouchStream => {
  const touches = new Touches()
  const each = [
    [1, 0, 1000, 1.3],
    [-1, 1999, 1000, 1.7],
    [3, 2000, 330, 2.1],
    [-7, 3990, 140, 3.7],
    [16, 4096, 250, 2.9]
  ] as const
  for (const [stride, first, count, paceMs] of each) {
    for (let i = 0; i * paceMs < 10 * seconds; i++) touches.add(first + (i % count) * stride, i * paceMs)
  }
  return {
    name: "interleaved",
    summary: "five streams of different strides and paces at once",
    region: region(8192, 100),
    learntByMs: 0,
    ...touches.end()
  }
}

/** The seed's `random_touch_heap`, at the rate it reaches: 13,000 touches a second over 512 MiB. */
export const randomTouch = (seed = 3, forMs = 30 * seconds): TouchStream => {
  const random = randomFractions(seed)
  const touches = new Touches()
  for (let i = 0; i < 13 * forMs; i++) touches.add(Math.floor(random() * 8192), i / 13)
  return { name: "random", summary: "8192 chunks at random, 13 touches a ms", region: region(8192, 100), learntByMs: 0, ...touches.end() }
}

/** The seed's `mmap_churn`: 512 KiB mapped, written and unmapped 500 times a second, where the last one was; and a page of a 128 MiB side region each time. */
export const mmapChurn = (): TouchStream => {
  const touches = new Touches()
  for (let op = 0; op < 40_000; op++) {
    touches.pass(range(2048, 8), 2 * op, 0.1)
    touches.add(Math.floor(op / 16) % 2048, 2 * op + 0.2)
  }
  return {
    name: "mmap churn",
    summary: "8 chunks rewritten every 2 ms, a side region page by page",
    region: region(2056, 100),
    learntByMs: 0,
    ...touches.end()
  }
}

/** Four phases in turn, each of its own scattered chunks, for one to three seconds. */
export const phases = (seed = 4): TouchStream => {
  const random = randomFractions(seed)
  const touches = new Touches()
  const all = shuffled(range(0, 4096), random)
  let atMs = 0
  for (let phase = 0; phase < 48; phase++) {
    const passes = 20 + Math.floor(40 * random())
    for (let pass = 0; pass < passes; pass++) touches.pass(all.slice((phase % 4) * 700, (phase % 4) * 700 + 700), atMs + pass * 50, 50)
    atMs += passes * 50
  }
  return {
    name: "phases",
    summary: "four sets of 700 scattered chunks in turn, 1 to 3 s each",
    region: region(4096, 200),
    learntByMs: 16 * seconds,
    ...touches.end()
  }
}

/** A chain of 128 states, each of 16 neighbouring chunks, with one likely and two less likely successors. */
export const markovChain = (seed = 5): TouchStream => {
  const random = randomFractions(seed)
  const touches = new Touches()
  const order = shuffled(range(0, 128), random)
  const next = Array.from({ length: 128 }, () => 0)
  for (let i = 0; i < 128; i++) next[order[i]!] = order[(i + 1) % 128]!
  const others = Array.from({ length: 128 }, () => [Math.floor(random() * 128), Math.floor(random() * 128)] as const)
  let state = 0
  let atMs = 0
  for (let step = 0; step < 6000; step++) {
    touches.pass(shuffled(range(state * 16, 16), random), atMs, 4)
    atMs += 8 + 4 * random()
    const roll = random()
    state = roll < 0.85 ? next[state]! : others[state]![roll < 0.95 ? 0 : 1]
  }
  return {
    name: "markov",
    summary: "128 states of 16 chunks, 85 % one successor, 10 ms each",
    region: region(2048, 100),
    learntByMs: 6 * seconds,
    ...touches.end()
  }
}

/** The same 2048 chunks in the same random order, again and again, at moments that cannot be foreseen. */
export const pointerChase = (seed = 6): TouchStream => {
  const random = randomFractions(seed)
  const touches = new Touches()
  const order = shuffled(range(0, 2048), random)
  let atMs = 0
  for (let walk = 0; walk < 30; walk++) {
    touches.pass(order, atMs, 410)
    atMs += 410 + 1500 * random()
  }
  return {
    name: "pointer chase",
    summary: "2048 chunks in one random order, 0.2 ms each, at random times",
    region: region(2048, 100),
    learntByMs: 4 * seconds,
    ...touches.end()
  }
}

/** Bursts at times that cannot be foreseen, each announced 250 to 350 ms before. */
export const announced = (seed = 7): TouchStream => {
  const random = randomFractions(seed)
  const touches = new Touches()
  const hintsMs: Array<number> = []
  let atMs = 0
  for (let burst = 0; burst < 40; burst++) {
    for (let pass = 0; pass < 5; pass++) touches.pass(range(0, 4096), atMs + pass * 20, 20)
    atMs += 600 - 1500 * Math.log(1 - random())
    hintsMs.push(atMs - 250 - 100 * random())
  }
  return {
    name: "announced",
    summary: "bursts at random times, each after a hint",
    region: region(4096, 100),
    learntByMs: 8 * seconds,
    hintsMs,
    ...touches.end()
  }
}

/** Bursts in one half of the region, a stream in a quarter, random touches in the last. */
export const mixed = (seed = 8): TouchStream => {
  const random = randomFractions(seed)
  const touches = new Touches()
  addBursts(touches, range(0, 2048), { seed })
  for (let i = 0; i < 30 * seconds; i++) {
    touches.add(2048 + (i % 1024), i)
    touches.add(3072 + Math.floor(1024 * random()), i + random())
  }
  return {
    name: "mixed",
    summary: "half bursts, a quarter stream, a quarter random",
    region: region(4096, 100),
    learntByMs: 2750,
    ...touches.end()
  }
}

/** All of them, made when asked for. */
export const streams: ReadonlyArray<() => TouchStream> = [
  () => bursts(),
  () => longBursts(),
  () => changingBursts(),
  streamer,
  strided,
  interleaved,
  () => randomTouch(),
  mmapChurn,
  () => phases(),
  () => markovChain(),
  () => pointerChase(),
  () => announced(),
  () => mixed()
]
