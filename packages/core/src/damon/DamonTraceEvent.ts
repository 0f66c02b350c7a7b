/**
 * Lines of DAMON's tracepoints, as the `trace` and `trace_pipe` files of tracefs and `perf script` print them, parsed from bytes without
 * making strings: a kdamond prints a line per region and aggregation. Formats: kernel include/trace/events/damon.h; the prefix:
 * Documentation/trace/ftrace.rst. Does not read files: see DamonTrace.
 */

/** Where and when. `time` is the kernel's trace clock in seconds. */
export interface TraceOrigin {
  readonly task: string
  readonly pid: number
  readonly cpu: number
  readonly time: number
}

/** A region of a target when it was aggregated. Kernels before 5.17 print no age. */
export interface DamonAggregated extends TraceOrigin {
  readonly event: "damon_aggregated"
  readonly targetId: bigint
  readonly nrRegions: number
  readonly start: bigint
  readonly end: bigint
  readonly nrAccesses: number
  readonly age?: number
}

/** A region that a scheme is about to be applied to (since 6.7). */
export interface DamosBeforeApply extends TraceOrigin {
  readonly event: "damos_before_apply"
  readonly contextIndex: number
  readonly schemeIndex: number
  readonly targetIndex: number
  readonly nrRegions: number
  readonly start: bigint
  readonly end: bigint
  readonly nrAccesses: number
  readonly age: number
}

/** Statistics of a scheme (since 7.0). */
export interface DamosStatAfterApply extends TraceOrigin {
  readonly event: "damos_stat_after_apply_interval"
  readonly contextIndex: number
  readonly schemeIndex: number
  readonly nrTried: bigint
  readonly szTried: bigint
  readonly nrApplied: bigint
  readonly szApplied: bigint
  readonly szOpsFilterPassed: bigint
  readonly qtExceeds: bigint
  readonly nrSnapshots: bigint
}

/** The quota that a scheme has come to, in bytes (since 6.17). */
export interface DamosEffectiveSize extends TraceOrigin {
  readonly event: "damos_esz"
  readonly contextIndex: number
  readonly schemeIndex: number
  readonly bytes: bigint
}

/** The sampling interval that the kernel has come to (since 6.17). */
export interface DamonIntervalsTuned extends TraceOrigin {
  readonly event: "damon_monitor_intervals_tune"
  readonly sampleUs: number
}

/** The reader was too slow: so many events of that CPU are gone. */
export interface TraceLost {
  readonly event: "lost"
  readonly cpu: number
  readonly count: number
}

export type DamonTraceEvent =
  | DamonAggregated
  | DamosBeforeApply
  | DamosStatAfterApply
  | DamosEffectiveSize
  | DamonIntervalsTuned
  | TraceLost

/** Names of the tracepoints, below `events/damon`. */
export const damonTracepoints = [
  "damon_aggregated",
  "damos_before_apply",
  "damos_stat_after_apply_interval",
  "damos_esz",
  "damon_monitor_intervals_tune"
] as const
export type DamonTracepoint = (typeof damonTracepoints)[number]

const lineEnd = 10
const space = 32
const colon = 58
const point = 46
const zero = 48
const nine = 57
const dash = 45
const bracket = 91
const latin1 = new TextDecoder("latin1")
const exactDigits = 15

/** Bytes of the literals that follow a tracepoint's name, in `damon_aggregated` for example `target_id=`. */
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const names = damonTracepoints.map((name) => [bytesOf(`${name}: `), name] as const)
const lostWord = bytesOf(" [LOST ")

/** A cursor over one line; every method says whether it went well, and leaves `at` behind what it read. */
class Line {
  bytes: Uint8Array = new Uint8Array()
  at = 0
  end = 0
  number = 0
  address = 0n
  task = ""
  private taskBytes: Uint8Array = new Uint8Array()

  set(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  /** Skips up to and over the byte. */
  past(byte: number): boolean {
    const found = this.bytes.indexOf(byte, this.at)
    if (found < 0 || found >= this.end) return false
    this.at = found + 1
    return true
  }

  literal(word: Uint8Array): boolean {
    if (this.at + word.length > this.end) return false
    for (let i = 0; i < word.length; i++) if (this.bytes[this.at + i] !== word[i]) return false
    this.at += word.length
    return true
  }

  /** A decimal into `number`; long ones lose digits: see `wide`. */
  decimal(): boolean {
    const start = this.at
    let value = 0
    for (; this.at < this.end; this.at++) {
      const byte = this.bytes[this.at]!
      if (byte < zero || byte > nine) break
      value = value * 10 + (byte - zero)
    }
    this.number = value
    return this.at > start && this.at - start <= 20
  }

  /** A decimal of up to 64 bits into `address`. */
  wide(): boolean {
    const start = this.at
    if (!this.decimal()) return false
    this.address = this.at - start <= exactDigits ? BigInt(this.number) : BigInt(latin1.decode(this.bytes.subarray(start, this.at)))
    return true
  }

  /** `key=`, whatever the key. */
  field(): boolean {
    return this.past(61) && this.decimal()
  }

  wideField(): boolean {
    return this.past(61) && this.wide()
  }

  skip(byte: number): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== byte) return false
    this.at++
    return true
  }

  /** The task between two positions: the same as that of the line before it, nearly always. */
  taskOf(start: number, end: number): string {
    const known = this.taskBytes
    let isSame = known.length === end - start
    for (let i = 0; isSame && i < known.length; i++) isSame = known[i] === this.bytes[start + i]
    if (!isSame) {
      this.taskBytes = this.bytes.slice(start, end)
      this.task = latin1.decode(this.taskBytes)
    }
    return this.task
  }
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= nine

/** `  kdamond.0-231     [001] .....    12.345678: ` of ftrace, `kdamond.0 46568 [027] 79357.842179: damon:` of perf. */
const origin = (line: Line): TraceOrigin | undefined => {
  const { bytes, end } = line
  while (line.at < end && bytes[line.at] === space) line.at++
  const start = line.at
  if (!line.past(bracket)) return undefined
  const open = line.at - 1
  let last = open - 1
  while (last > start && bytes[last] === space) last--
  let first = last
  while (first > start && isDigit(bytes[first - 1])) first--
  let taskEnd = first - 1
  const separator = bytes[taskEnd]
  if (!isDigit(bytes[last]) || (separator !== dash && separator !== space) || taskEnd <= start) return undefined
  if (separator === space) while (taskEnd > start && bytes[taskEnd - 1] === 32) taskEnd--
  const task = line.taskOf(start, taskEnd)
  line.at = first
  line.decimal()
  const pid = line.number
  line.at = open + 1
  if (!line.decimal()) return undefined
  const cpu = line.number
  if (!line.skip(93)) return undefined
  // Flags, which may hold digits, stand between blanks; the time is the word that ends with a colon.
  for (;;) {
    while (line.at < end && bytes[line.at] === space) line.at++
    if (line.at >= end) return undefined
    const wordStart = line.at
    if (line.decimal()) {
      const whole = line.number
      const hasPoint = line.skip(point)
      const fractionStart = line.at
      if (hasPoint && line.decimal() && line.skip(colon) && line.skip(space)) {
        return { task, pid, cpu, time: whole + line.number / 10 ** (line.at - fractionStart - 2) }
      }
    }
    line.at = wordStart
    if (!line.past(space)) return undefined
  }
}

const region = (line: Line) => {
  if (!line.field()) return undefined
  const nrRegions = line.number
  if (!line.skip(space) || !line.wide()) return undefined
  const start = line.address
  if (!line.skip(dash) || !line.wide()) return undefined
  const end = line.address
  if (!line.skip(colon) || !line.skip(space) || !line.decimal()) return undefined
  const nrAccesses = line.number
  if (!line.skip(space)) return { nrRegions, start, end, nrAccesses, age: undefined }
  return line.decimal() ? { nrRegions, start, end, nrAccesses, age: line.number } : undefined
}

const parsers: Readonly<Record<DamonTracepoint, (line: Line, from: TraceOrigin) => DamonTraceEvent | undefined>> = {
  damon_aggregated: (line, { cpu, pid, task, time }) => {
    if (!line.wideField()) return undefined
    const targetId = line.address
    const found = region(line)
    if (found === undefined) return undefined
    const { age, end, nrAccesses, nrRegions, start } = found
    const event = { event: "damon_aggregated", task, pid, cpu, time, targetId, nrRegions, start, end, nrAccesses } as const
    return age === undefined ? event : { ...event, age }
  },
  damos_before_apply: (line, { cpu, pid, task, time }) => {
    if (!line.field()) return undefined
    const contextIndex = line.number
    if (!line.field()) return undefined
    const schemeIndex = line.number
    if (!line.field()) return undefined
    const targetIndex = line.number
    const found = region(line)
    if (found === undefined) return undefined
    const { age = 0, end, nrAccesses, nrRegions, start } = found
    return {
      event: "damos_before_apply",
      task,
      pid,
      cpu,
      time,
      contextIndex,
      schemeIndex,
      targetIndex,
      nrRegions,
      start,
      end,
      nrAccesses,
      age
    }
  },
  damos_stat_after_apply_interval: (line, from) => {
    if (!line.field()) return undefined
    const contextIndex = line.number
    if (!line.field()) return undefined
    const schemeIndex = line.number
    const counters: Array<bigint> = []
    if (!line.wideField()) return undefined
    do counters.push(line.address)
    while (line.skip(space) && line.wide())
    const [nrTried, szTried, nrApplied, szApplied, szOpsFilterPassed, qtExceeds, nrSnapshots] = counters
    if (nrSnapshots === undefined) return undefined
    return {
      event: "damos_stat_after_apply_interval",
      ...from,
      contextIndex,
      schemeIndex,
      nrTried: nrTried!,
      szTried: szTried!,
      nrApplied: nrApplied!,
      szApplied: szApplied!,
      szOpsFilterPassed: szOpsFilterPassed!,
      qtExceeds: qtExceeds!,
      nrSnapshots
    }
  },
  damos_esz: (line, from) => {
    if (!line.field()) return undefined
    const contextIndex = line.number
    if (!line.field()) return undefined
    const schemeIndex = line.number
    return line.wideField() ? { event: "damos_esz", ...from, contextIndex, schemeIndex, bytes: line.address } : undefined
  },
  damon_monitor_intervals_tune: (line, from) =>
    line.field() ? { event: "damon_monitor_intervals_tune", ...from, sampleUs: line.number } : undefined
}

const system = bytesOf("damon:")

const parseLine = (line: Line): DamonTraceEvent | undefined => {
  if (line.bytes[line.at] === 67 /* CPU:3 [LOST 512 EVENTS] */) {
    const start = line.at
    if (line.past(colon) && line.decimal()) {
      const cpu = line.number
      if (line.literal(lostWord) && line.decimal()) return { event: "lost", cpu, count: line.number }
    }
    line.at = start
  }
  const from = origin(line)
  if (from === undefined) return undefined
  line.literal(system)
  for (const [name, tracepoint] of names) if (line.literal(name)) return parsers[tracepoint](line, from)
  return undefined
}

/**
 * A parser of a stream of bytes: lines may be cut anywhere between two calls. Comments, blank lines and events of others are passed over.
 */
export class DamonTraceParser {
  private readonly line = new Line()
  private rest: Uint8Array = new Uint8Array()

  /** The events whose lines end within these bytes. The bytes may be reused afterwards. */
  push(bytes: Uint8Array): Array<DamonTraceEvent> {
    let input = bytes
    if (this.rest.length > 0) {
      input = new Uint8Array(this.rest.length + bytes.length)
      input.set(this.rest)
      input.set(bytes, this.rest.length)
    }
    const events: Array<DamonTraceEvent> = []
    let start = 0
    for (;;) {
      const end = input.indexOf(lineEnd, start)
      if (end < 0) break
      this.line.set(input, start, end)
      const event = parseLine(this.line)
      if (event !== undefined) events.push(event)
      start = end + 1
    }
    this.rest = input.slice(start)
    return events
  }
}

/** Events of a whole file. */
export const parseDamonTrace = (bytes: Uint8Array): Array<DamonTraceEvent> => {
  const parser = new DamonTraceParser()
  return [...parser.push(bytes), ...parser.push(Uint8Array.of(lineEnd))]
}
