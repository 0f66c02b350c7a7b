/**
 * Bytes of the compact columns: LEB128 varints, signed ones zigzag-coded, exact over 64 bits. Numbers where they are safe integers, bigint
 * beyond. Knows no tables; `Frame.ts` and `heatBlob.ts` say what is stored.
 */

/** An integer exactly: a number where that is safe, a bigint beyond. */
export type Exact = number | bigint

/** The same integer in its canonical form. */
export const exact = (value: Exact): Exact =>
  typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? Number(value) : value

export const addExact = (a: Exact, b: Exact): Exact => {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return exact(BigInt(a) + BigInt(b))
}

export const subtractExact = (a: Exact, b: Exact): Exact => {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b
    if (Number.isSafeInteger(difference)) return difference
  }
  return exact(BigInt(a) - BigInt(b))
}

/** Appends to a buffer that grows. */
export class ByteWriter {
  bytes: Uint8Array = new Uint8Array(4096)
  length = 0

  clear(): void {
    this.length = 0
  }

  /** What was written so far; valid until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  private room(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count))
    grown.set(this.view())
    this.bytes = grown
  }

  /** A non-negative integer below 2^64. */
  unsigned(value: Exact): void {
    this.room(10)
    if (typeof value === "bigint") {
      let rest = BigInt.asUintN(64, value)
      for (; rest >= 0x80n; rest >>= 7n) this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80
      this.bytes[this.length++] = Number(rest)
      return
    }
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.bytes[this.length++] = (rest % 0x80) | 0x80
    this.bytes[this.length++] = rest
  }

  /** An integer between -(2^64) and 2^64: its sign is the lowest bit, so that small ones of either sign are short. */
  signed(value: Exact): void {
    if (typeof value === "number" && value < 2 ** 51 && value > -(2 ** 51)) this.unsigned(value < 0 ? -2 * value - 1 : 2 * value)
    else {
      const wide = BigInt(value)
      this.wide(wide < 0n ? -2n * wide - 1n : 2n * wide)
    }
  }

  /** A varint of any length. */
  private wide(value: bigint): void {
    this.room(12)
    let rest = value
    for (; rest >= 0x80n; rest >>= 7n) this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80
    this.bytes[this.length++] = Number(rest)
  }

  /** Puts the length of what `body` writes before it. */
  sized(body: () => void): void {
    const start = this.length
    this.length += 1
    this.room(1)
    body()
    const size = this.length - start - 1
    if (size < 0x80) {
      this.bytes[start] = size
      return
    }
    // Longer than one byte of length can say: make room for the rest of it.
    const more = size < 0x4000 ? 1 : size < 0x20_0000 ? 2 : 3
    this.room(more)
    this.bytes.copyWithin(start + 1 + more, start + 1, this.length)
    const end = this.length + more
    this.length = start
    this.unsigned(size)
    this.length = end
  }
}

/** Reads what `ByteWriter` wrote. Running off the end is an error. */
export class ByteReader {
  readonly bytes: Uint8Array
  position = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.position >= this.bytes.length
  }

  unsigned(): Exact {
    let value = 0
    let scale = 1
    for (let i = 0; i < 7; i++) {
      const byte = this.next()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    let wide = BigInt(value)
    for (let shift = 49n; ; shift += 7n) {
      const byte = this.next()
      wide |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return exact(wide)
    }
  }

  /** An unsigned that is known to be small: a count, an id, a length. */
  small(): number {
    return Number(this.unsigned())
  }

  signed(): Exact {
    const coded = this.unsigned()
    if (typeof coded === "number") return coded % 2 === 0 ? coded / 2 : -(coded + 1) / 2
    return exact(coded % 2n === 0n ? coded / 2n : -(coded + 1n) / 2n)
  }

  private next(): number {
    const byte = this.bytes[this.position++]
    if (byte === undefined) throw new Error("the recording's data ends in the middle of a number")
    return byte
  }
}
