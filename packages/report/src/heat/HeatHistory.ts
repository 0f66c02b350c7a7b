/**
 * Heat over time: frames of one address space, summed into columns of equal time and grains of equal bytes, bounded in memory whatever comes
 * in. A grain is a power of two at a multiple of its size, chosen so that there are a few thousand. Knows no rows, screens or colours.
 */

/** A frame as monitors give it and recordings hold it. */
export interface HeatInput {
  readonly atMs: number
  readonly sampleUs: number
  readonly aggregationUs: number
  readonly regions: ReadonlyArray<{ readonly start: bigint; readonly end: bigint; readonly accesses: number }>
  readonly mappings: ReadonlyArray<MappedRange>
}

/** Something mapped: `end` exclusive. */
export interface MappedRange {
  readonly start: bigint
  readonly end: bigint
  readonly name: string
  readonly residentBytes: number
  readonly anonBytes: number
}

/** Runs of grains: `first[i]` to before `after[i]`, by address, apart from each other. `at[i]`: where run i begins in a column's arrays. */
export interface GrainRuns {
  readonly first: ReadonlyArray<number>
  readonly after: ReadonlyArray<number>
  readonly at: ReadonlyArray<number>
  readonly count: number
}

/** What was seen in one span of time. `weight` is how much of a grain was looked at, in aggregations; `heat` the same times the rate. */
export interface HeatColumn {
  readonly fromMs: number
  readonly runs: GrainRuns
  readonly heat: Float32Array
  readonly weight: Float32Array
}

export interface HistoryOptions {
  readonly columnMs: number
  /** Older ones are dropped. */
  readonly columnsAtMost: number
  /** About how finely memory can be told apart; default 8192. */
  readonly grainsAtMost?: number
}

const pageBytes = 4096
/** So late after the one before, a frame still tells of the time between. */
const lateAggregations = 3

const makeRuns = (ranges: ReadonlyArray<readonly [first: number, after: number]>): GrainRuns => {
  const first: Array<number> = []
  const after: Array<number> = []
  for (const [from, to] of ranges) {
    const last = after.length - 1
    if (last >= 0 && from <= after[last]!) after[last] = Math.max(after[last]!, to)
    else {
      first.push(from)
      after.push(to)
    }
  }
  const at: Array<number> = []
  let count = 0
  for (let i = 0; i < first.length; i++) {
    at.push(count)
    count += after[i]! - first[i]!
  }
  return { first, after, at, count }
}

/** All grains of either. */
export const joinRuns = (all: ReadonlyArray<GrainRuns>): GrainRuns =>
  makeRuns(
    [...new Set(all)].flatMap(({ after, first }) => first.map((from, i) => [from, after[i]!] as const)).toSorted(([a], [b]) => a - b)
  )

const areEqual = (a: GrainRuns, b: GrainRuns): boolean =>
  a.count === b.count && a.first.length === b.first.length && a.first.every((from, i) => from === b.first[i] && a.after[i] === b.after[i])

/** Calls back for each stretch of grains that both have, with where it begins in either. */
export const eachCommon = (a: GrainRuns, b: GrainRuns, use: (inA: number, inB: number, length: number) => void): void => {
  for (let i = 0, j = 0; i < a.first.length && j < b.first.length;) {
    const from = Math.max(a.first[i]!, b.first[j]!)
    const to = Math.min(a.after[i]!, b.after[j]!)
    if (to > from) use(a.at[i]! + from - a.first[i]!, b.at[j]! + from - b.first[j]!, to - from)
    if (a.after[i]! < b.after[j]!) i++
    else j++
  }
}

export class HeatHistory {
  readonly columnMs: number
  private readonly columnsAtMost: number
  private readonly grainsAtMost: number
  private grain = 0
  private kept: Array<HeatColumn> = []
  private touchedGrains = new Set<number>()
  private readonly known = new Map<bigint, MappedRange>()
  private latest: ReadonlyArray<MappedRange> = []
  private seen = 0
  private last: HeatInput | undefined

  constructor({ columnMs, columnsAtMost, grainsAtMost = 8192 }: HistoryOptions) {
    this.columnMs = columnMs
    this.columnsAtMost = columnsAtMost
    this.grainsAtMost = grainsAtMost
  }

  /** Oldest first; spans without any frame have none. */
  get columns(): ReadonlyArray<HeatColumn> {
    return this.kept
  }
  /** 0 before the first frame. */
  get grainBytes(): number {
    return this.grain
  }
  /** Grains that were seen used at any time, those of columns that were dropped included. */
  get touched(): ReadonlySet<number> {
    return this.touchedGrains
  }
  /** Where the latest column begins. */
  get lastMs(): number | undefined {
    return this.kept.at(-1)?.fromMs
  }
  get frames(): number {
    return this.seen
  }
  get lastFrame(): HeatInput | undefined {
    return this.last
  }
  /** What is mapped now first, then what was. */
  get mappings(): ReadonlyArray<MappedRange> {
    const now = new Set(this.latest)
    return [...this.latest, ...[...this.known.values()].filter((mapping) => !now.has(mapping))]
  }

  add(frame: HeatInput): void {
    if (frame.regions.length === 0) return
    this.seen++
    const before = this.last
    this.last = frame
    if (frame.mappings !== this.latest) {
      this.latest = frame.mappings
      for (const mapping of frame.mappings) this.known.set(mapping.start, mapping)
    }
    const total = frame.regions.reduce((sum, { end, start }) => sum + Number(end - start), 0)
    if (this.grain === 0) {
      this.grain = pageBytes
      while (total / this.grain > this.grainsAtMost) this.grain *= 2
    }
    while (total / this.grain > 4 * this.grainsAtMost) this.coarsen()
    const toMs = this.columnOf(frame.atMs)
    // A frame is of the time since the one before, unless that is long ago: aggregations may come late, and columns be short.
    const isNext = before !== undefined && frame.atMs - before.atMs <= (lateAggregations * frame.aggregationUs) / 1000
    const fromMs = isNext ? Math.min(toMs, this.columnOf(before.atMs) + this.columnMs) : toMs
    for (let atMs = fromMs; atMs <= toMs; atMs += this.columnMs) this.fill(this.columnFor(atMs, frame), frame)
  }

  private columnOf(atMs: number): number {
    return Math.floor(atMs / this.columnMs) * this.columnMs
  }

  private fill(column: HeatColumn, frame: HeatInput): void {
    const samples = Math.max(1, Math.floor(frame.aggregationUs / Math.max(1, frame.sampleUs)))
    let run = 0
    for (const { accesses, end, start } of frame.regions) {
      // Page-aligned addresses are exact as doubles.
      const from = Number(start) / this.grain
      const to = Number(end) / this.grain
      const rate = Math.min(1, accesses / samples)
      for (let grain = Math.floor(from); grain < to; grain++) {
        while (grain >= column.runs.after[run]!) run++
        const index = column.runs.at[run]! + grain - column.runs.first[run]!
        const part = Math.min(grain + 1, to) - Math.max(grain, from)
        column.weight[index]! += part
        if (rate === 0) continue
        column.heat[index]! += part * rate
        this.touchedGrains.add(grain)
      }
    }
  }

  /** The column of a frame's time, with room for all of its grains. */
  private columnFor(fromMs: number, frame: HeatInput): HeatColumn {
    const ranges = frame.regions.map(
      ({ end, start }) => [Math.floor(Number(start) / this.grain), Math.ceil(Number(end) / this.grain)] as const
    )
    const wanted = makeRuns(ranges)
    const last = this.kept.at(-1)
    if (last !== undefined && fromMs < last.fromMs) {
      const older = this.kept.find((column) => column.fromMs === fromMs)
      // The clock was set back: what is older than all that is kept counts as now.
      return this.withRoom(older ?? last, wanted)
    }
    if (last?.fromMs === fromMs) return this.withRoom(last, wanted)
    const runs = last !== undefined && areEqual(last.runs, wanted) ? last.runs : wanted
    const column = { fromMs, runs, heat: new Float32Array(runs.count), weight: new Float32Array(runs.count) }
    this.kept.push(column)
    if (this.kept.length > this.columnsAtMost) this.kept.shift()
    return column
  }

  private withRoom(column: HeatColumn, wanted: GrainRuns): HeatColumn {
    if (areEqual(column.runs, wanted)) return column
    const runs = joinRuns([column.runs, wanted])
    if (areEqual(column.runs, runs)) return column
    const wider = { fromMs: column.fromMs, runs, heat: new Float32Array(runs.count), weight: new Float32Array(runs.count) }
    eachCommon(column.runs, runs, (from, to, length) => {
      wider.heat.set(column.heat.subarray(from, from + length), to)
      wider.weight.set(column.weight.subarray(from, from + length), to)
    })
    this.kept[this.kept.indexOf(column)] = wider
    return wider
  }

  /** Grains of twice the size: there has come to be much more memory than there was at first. */
  private coarsen(): void {
    this.grain *= 2
    this.touchedGrains = new Set([...this.touchedGrains].map((grain) => Math.floor(grain / 2)))
    this.kept = this.kept.map(({ fromMs, heat, runs, weight }) => {
      const coarse = makeRuns(runs.first.map((from, i) => [Math.floor(from / 2), Math.ceil(runs.after[i]! / 2)] as const))
      const column = { fromMs, runs: coarse, heat: new Float32Array(coarse.count), weight: new Float32Array(coarse.count) }
      let run = 0
      runs.first.forEach((from, i) => {
        for (let grain = from; grain < runs.after[i]!; grain++) {
          const half = Math.floor(grain / 2)
          while (half >= coarse.after[run]!) run++
          const to = coarse.at[run]! + half - coarse.first[run]!
          const at = runs.at[i]! + grain - from
          column.heat[to]! += heat[at]! / 2
          column.weight[to]! += weight[at]! / 2
        }
      })
      return column
    })
  }
}
