/**
 * The `data` of a row of `observation`: what changed between two snapshots of many subjects. Subjects in which nothing changed take no bytes.
 *
 * frame   := entry*
 * entry   := signed(subject id - that of the entry before)  unsigned(length of body)  body      an empty body: the subject is gone
 * body    := change*, or one zero byte: seen, unchanged
 * change  := unsigned(2 * (metric id - that of the change before) + (1 if the value is now unknown))  signed(new value - old value)
 *
 * Values start at 0, so the first entry of a subject holds them all, as do the entries of a full frame, which forgets what was before it.
 */
import type { Sample, SampleValue } from "./Entry.ts"
import { addExact, ByteReader, ByteWriter, type Exact, exact, subtractExact } from "./varint.ts"

/** Metric names of one array, by id. */
interface Shape {
  /** Ids in rising order, and where in the sample each value is. */
  readonly ids: ReadonlyArray<number>
  readonly positions: ReadonlyArray<number>
}

/** What can be stored of a value: integers; what is no number is unknown. */
const integer = (value: SampleValue): Exact | undefined => {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value === undefined ? undefined : exact(value)
  return Number.isFinite(value) ? exact(BigInt(Math.round(value))) : undefined
}

/** The last values of a subject. `NaN`: unknown; `Infinity`: see `large`. */
interface Last {
  shape: Shape
  values: Float64Array
  large: Map<number, bigint> | undefined
}

const makeLast = (shape: Shape): Last => ({ shape, values: new Float64Array(shape.ids.length).fill(NaN), large: undefined })

const lastValue = ({ large, values }: Last, i: number): Exact | undefined => {
  const value = values[i]!
  return Number.isNaN(value) ? undefined : value === Infinity ? large!.get(i) : value
}

const keep = (last: Last, i: number, value: Exact | undefined): void => {
  if (typeof value === "bigint") {
    last.values[i] = Infinity
    last.large ??= new Map()
    last.large.set(i, value)
  } else last.values[i] = value ?? NaN
}

/** The same values under another shape; what it lacks is in `dropped`. */
const reshape = (last: Last, shape: Shape): { readonly last: Last; readonly dropped: ReadonlyArray<number> } => {
  const moved = makeLast(shape)
  const places = new Map(shape.ids.map((id, i) => [id, i]))
  const dropped: Array<number> = []
  last.shape.ids.forEach((id, i) => {
    const value = lastValue(last, i)
    const place = places.get(id)
    if (place !== undefined) keep(moved, place, value)
    else if (value !== undefined) dropped.push(id)
  })
  return { last: moved, dropped }
}

/** Writes frames; keeps the last values of every subject. */
export class FrameEncoder {
  readonly metricId: (name: string) => number
  private readonly shapes = new WeakMap<ReadonlyArray<string>, Shape>()
  private readonly subjects = new Map<number, Last>()
  private readonly writer = new ByteWriter()
  private subjectBefore = 0

  constructor(metricId: (name: string) => number) {
    this.metricId = metricId
  }

  /** Begins a frame. A full one forgets all values. */
  begin(isFull: boolean): void {
    this.writer.clear()
    this.subjectBefore = 0
    if (isFull) this.subjects.clear()
  }

  /** The frame so far; valid until the next one begins. */
  frame(): Uint8Array {
    return this.writer.view()
  }

  /** Adds a sample. Where nothing changed, says so only if `isExplicit`. */
  add(subjectId: number, sample: Sample, isExplicit: boolean): void {
    const shape = this.shapeOf(sample.metrics)
    let last = this.subjects.get(subjectId)
    let dropped: ReadonlyArray<number> = []
    const isNew = last === undefined
    if (last === undefined) this.subjects.set(subjectId, (last = makeLast(shape)))
    else if (last.shape !== shape) {
      ;({ dropped, last } = reshape(last, shape))
      this.subjects.set(subjectId, last)
    }
    const undo = this.writer.length
    const before = this.subjectBefore
    let changes = 0
    this.head(subjectId)
    this.writer.sized(() => {
      changes = this.changes(last, sample.values, dropped)
      if (changes === 0) this.writer.unsigned(0)
    })
    if (changes === 0 && !isExplicit && !isNew) {
      this.writer.length = undo
      this.subjectBefore = before
    }
  }

  /** Says that a subject is gone. */
  remove(subjectId: number): void {
    this.subjects.delete(subjectId)
    this.head(subjectId)
    this.writer.unsigned(0)
  }

  private head(subjectId: number): void {
    this.writer.signed(subjectId - this.subjectBefore)
    this.subjectBefore = subjectId
  }

  private changes(last: Last, values: Sample["values"], dropped: ReadonlyArray<number>): number {
    const { ids, positions } = last.shape
    let count = 0
    let idBefore = 0
    let d = 0
    const change = (id: number, delta: Exact | undefined) => {
      this.writer.unsigned(2 * (id - idBefore) + (delta === undefined ? 1 : 0))
      if (delta !== undefined) this.writer.signed(delta)
      idBefore = id
      count++
    }
    for (let i = 0; i < ids.length; i++) {
      const given = values[positions[i]!]
      const old = last.values[i]!
      if (typeof given === "number" ? given === old && given !== Infinity : given === undefined && Number.isNaN(old)) continue
      const now = integer(given)
      const was = lastValue(last, i)
      if (now === was) continue
      while (d < dropped.length && dropped[d]! < ids[i]!) change(dropped[d++]!, undefined)
      change(ids[i]!, now === undefined ? undefined : subtractExact(now, was ?? 0))
      keep(last, i, now)
    }
    while (d < dropped.length) change(dropped[d++]!, undefined)
    return count
  }

  private shapeOf(metrics: ReadonlyArray<string>): Shape {
    let shape = this.shapes.get(metrics)
    if (shape === undefined) {
      const sorted = metrics.map((name, position) => ({ id: this.metricId(name), position })).toSorted((a, b) => a.id - b.id)
      shape = { ids: sorted.map(({ id }) => id), positions: sorted.map(({ position }) => position) }
      this.shapes.set(metrics, shape)
    }
    return shape
  }
}

/** Values of a subject by metric name. */
export type Values = Readonly<Record<string, Exact>>

/** What a frame says of one subject: its values now, or undefined when it is gone. */
export type FrameVisitor = (subjectId: number, values: Values | undefined) => void

/** Reads frames in their order, beginning with a full one; keeps the values of the subjects that are wanted. */
export class FrameDecoder {
  readonly metricName: (id: number) => string
  readonly isWanted: (subjectId: number) => boolean
  private readonly subjects = new Map<number, Values>()

  constructor(metricName: (id: number) => string, isWanted: (subjectId: number) => boolean) {
    this.metricName = metricName
    this.isWanted = isWanted
  }

  /** Applies a frame and visits the subjects that it names. Values handed out are not changed later. */
  apply(data: Uint8Array, isFull: boolean, visit: FrameVisitor): void {
    if (isFull) this.subjects.clear()
    const reader = new ByteReader(data)
    let subjectId = 0
    while (!reader.isAtEnd) {
      subjectId += Number(reader.signed())
      const length = reader.small()
      const end = reader.position + length
      if (end > data.length) throw new Error("the recording's data ends in the middle of an entry")
      if (!this.isWanted(subjectId)) reader.position = end
      else if (length === 0) {
        this.subjects.delete(subjectId)
        visit(subjectId, undefined)
      } else visit(subjectId, this.body(reader, end, subjectId))
    }
  }

  private body(reader: ByteReader, end: number, subjectId: number): Values {
    const known = this.subjects.get(subjectId)
    if (reader.bytes[reader.position] === 0 && reader.position + 1 === end) {
      reader.position = end
      const same = known ?? {}
      this.subjects.set(subjectId, same)
      return same
    }
    const values: Record<string, Exact> = { ...known }
    let id = 0
    while (reader.position < end) {
      const coded = reader.small()
      id += Math.floor(coded / 2)
      const name = this.metricName(id)
      if (coded % 2 === 1) delete values[name]
      else values[name] = addExact(values[name] ?? 0, reader.signed())
    }
    this.subjects.set(subjectId, values)
    return values
  }
}
