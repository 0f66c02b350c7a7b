/**
 * What host and guest say to each other, and nothing else: port names, the end marker of a stream, frames of input, lines of control.
 * Output ends with a marker in the stream itself, so that the host knows that it has everything before it takes the guest away.
 * Input comes in frames (a decimal length, a newline, that many bytes; length 0 ends it), because closing a port may lose its last bytes.
 */

/** Names of the 9p shares and of the virtio-serial ports. */
export const ports = {
  root: "wmo_root",
  out: "wmo_out",
  control: "wmo.control",
  stdin: "wmo.stdin",
  stdout: "wmo.stdout",
  stderr: "wmo.stderr"
} as const

/** Starts the console line with which the guest says why it gives up before the command runs. */
export const failPrefix = "wmo-vm: fail: "

/** A line on the control port. */
export type ControlLine =
  | { readonly kind: "run" }
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "unknown"; readonly line: string }

export const parseControlLine = (line: string): ControlLine => {
  if (line === "run") return { kind: "run" }
  const match = /^exit (\d+)$/.exec(line)
  return match === null ? { kind: "unknown", line } : { kind: "exit", code: Number(match[1]) }
}

/** The largest frame of input: the guest needs that much room for it in one piece. */
const frameBytes = 64 * 1024

/** One or more frames that hold the chunk; the end of input is `inputEnd`. */
export const inputFrames = (chunk: Buffer): ReadonlyArray<Buffer> => {
  const frames: Array<Buffer> = []
  for (let at = 0; at < chunk.length; at += frameBytes) {
    const part = chunk.subarray(at, at + frameBytes)
    frames.push(Buffer.from(`${part.length}\n`), part)
  }
  return frames
}
export const inputEnd = Buffer.from("0\n")

/**
 * Finds the end marker in a stream that comes in pieces. Everything before it is passed on at once; only bytes that could be the start
 * of the marker wait for the next piece.
 */
export class MarkerScanner {
  readonly #marker: Buffer
  #held: Buffer = Buffer.alloc(0)
  #found = false

  constructor(marker: string) {
    this.#marker = Buffer.from(marker)
  }

  get found(): boolean {
    return this.#found
  }

  /** What can be passed on now, and what came after the marker (of a piece that holds it). */
  push(piece: Buffer): { readonly before: Buffer; readonly after: Buffer } {
    if (this.#found) return { before: Buffer.alloc(0), after: piece }
    const data = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    const at = data.indexOf(this.#marker)
    if (at >= 0) {
      this.#found = true
      this.#held = Buffer.alloc(0)
      return { before: data.subarray(0, at), after: data.subarray(at + this.#marker.length) }
    }
    const keep = this.#suffix(data)
    this.#held = data.subarray(data.length - keep)
    return { before: data.subarray(0, data.length - keep), after: Buffer.alloc(0) }
  }

  /** What still waits when the stream ends without a marker. */
  flush(): Buffer {
    const held = this.#held
    this.#held = Buffer.alloc(0)
    return held
  }

  /** How many last bytes of the data are the first bytes of the marker. */
  #suffix(data: Buffer): number {
    for (let length = Math.min(this.#marker.length - 1, data.length); length > 0; length--) {
      if (data.subarray(data.length - length).equals(this.#marker.subarray(0, length))) return length
    }
    return 0
  }
}
