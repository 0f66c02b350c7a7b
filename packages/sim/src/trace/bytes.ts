/** The bytes of page traces: LEB128 varints of non-negative integers below 2^53, and lists of page ranges made of them. */

export class TraceBytes {
  private bytes = new Uint8Array(65_536)
  length = 0

  view(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  number(value: number): void {
    if (this.length + 8 > this.bytes.length) {
      const grown = new Uint8Array(2 * this.bytes.length)
      grown.set(this.bytes)
      this.bytes = grown
    }
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.bytes[this.length++] = (rest % 0x80) | 0x80
    this.bytes[this.length++] = rest
  }

  /** Ascending page numbers without repeats: how many ranges, then for each the pages skipped since the last one and its length less one. */
  pages(ascending: ArrayLike<number>): void {
    let ranges = 0
    for (let i = 0; i < ascending.length; i++) if (i === 0 || ascending[i] !== ascending[i - 1]! + 1) ranges++
    this.number(ranges)
    let end = 0
    for (let i = 0; i < ascending.length;) {
      const first = ascending[i]!
      let length = 1
      while (i + length < ascending.length && ascending[i + length] === first + length) length++
      this.number(first - end)
      this.number(length - 1)
      end = first + length
      i += length
    }
  }
}

/** Reads the same. Throws a `RangeError` at the end of the bytes, or where a number is longer than any that is written. */
export class TraceReader {
  private readonly bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  number(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) throw new RangeError("it ends in the middle of a number")
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw new RangeError("a number is too long")
  }

  /** Page numbers below `limit`. */
  pages(limit: number): Uint32Array {
    const ranges = this.number()
    let list = new Uint32Array(Math.min(limit, 64))
    let count = 0
    let end = 0
    for (let i = 0; i < ranges; i++) {
      const first = end + this.number()
      const length = this.number() + 1
      end = first + length
      if (end > limit) throw new RangeError(`page ${end - 1} is outside of its ${limit} pages`)
      if (count + length > list.length) {
        const grown = new Uint32Array(Math.min(limit, Math.max(2 * list.length, count + length)))
        grown.set(list)
        list = grown
      }
      for (let page = first; page < end; page++) list[count++] = page
    }
    return list.subarray(0, count)
  }
}
