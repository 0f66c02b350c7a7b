/**
 * What a codec is: one value per kernel file format, total in both directions, naming file and line when bytes are bad.
 * Does not do I/O. Decoders work on bytes, since building a string from every sample costs more than reading the file.
 */
import { Data, Result } from "effect"

/** Bytes that do not have the format of their file. `line` counts from 1. */
export class CodecError extends Data.TaggedError("CodecError")<{
  readonly file: string
  readonly line: number
  readonly problem: string
}> {
  override get message(): string {
    return `cannot understand ${this.file} line ${this.line}: ${this.problem}; please report it with the file and \`uname -r\``
  }
}

/** A file format: `decode` is total (a value or a `CodecError`, never a throw), `encode` prints what the kernel prints or accepts. */
export interface Codec<A> {
  /** The name of the file in the kernel's documentation. */
  readonly file: string
  readonly decode: (bytes: Uint8Array) => Result.Result<A, CodecError>
  readonly encode: (value: A) => string
  /**
   * Whether the kernel gives the whole file to one large enough `read(2)`, as it does where one `show` prints it all (fs/seq_file.c).
   * Files with a record per line or per group come in pieces, and need a second read that finds the end.
   */
  readonly isOneRecord?: boolean
}

/** The codec of a file that the kernel prints with one `show`. */
export const oneRecord = <A>(codec: Codec<A>): Codec<A> => ({ ...codec, isOneRecord: true })

class Problem {
  readonly line: number
  readonly problem: string
  constructor(line: number, problem: string) {
    this.line = line
    this.problem = problem
  }
}

/** Rejects the input; only inside the `parse` function of {@link textCodec} or {@link bytesCodec}. */
export const reject = (line: number, problem: string): never => {
  throw new Problem(line, problem)
}

/** A codec from a parser over bytes that may call {@link reject}. */
export const bytesCodec = <A>(file: string, parse: (bytes: Uint8Array) => A, encode: (value: A) => string): Codec<A> => ({
  file,
  encode,
  decode: (bytes) => {
    try {
      return Result.succeed(parse(bytes))
    } catch (thrown) {
      if (thrown instanceof Problem) return Result.fail(new CodecError({ file, line: thrown.line, problem: thrown.problem }))
      throw thrown
    }
  }
})

/** Paths and group names are UTF-8 in practice; bytes that are not become U+FFFD, never an exception. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

/** A codec from a parser over lines (without their line ends; a missing last line end is tolerated), for files off the hot path. */
export const textCodec = <A>(file: string, parse: (lines: ReadonlyArray<string>) => A, encode: (value: A) => string): Codec<A> =>
  bytesCodec(
    file,
    (bytes) => {
      const lines = utf8.decode(bytes).split("\n")
      if (lines.at(-1) === "") lines.pop()
      return parse(lines)
    },
    encode
  )

/** Shows a piece of input in an error without flooding the terminal. */
export const quote = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)

/** At most the twenty digits of 2^64 − 1: what is longer is not a kernel number, and `BigInt` of millions of digits would not be total. */
const decimal = /^\d{1,20}$/

/** Reads a decimal that a double holds exactly (all byte amounts do: they are page-aligned or below 2^53), else rejects. */
export const exactNumber = (text: string, line: number): number => {
  if (!decimal.test(text)) return reject(line, `${quote(text)} is not a number`)
  const value = Number(text)
  if (!Number.isSafeInteger(value) && BigInt(value) !== BigInt(text)) return reject(line, `${text} is not an exact amount`)
  return value
}

/** Reads a decimal counter of any size. */
export const counter = (text: string, line: number): bigint =>
  decimal.test(text) ? BigInt(text) : reject(line, `${quote(text)} is not a counter`)

/**
 * Prints an amount with all its digits (`String(2 ** 60 + 4096)` would round it); fractions of a byte are cut off.
 * What is not a number is printed as such: the kernel answers EINVAL, which is an error in the caller's channel and not a crash.
 */
export const printNumber = (value: number): string => {
  if (Number.isSafeInteger(value) || !Number.isFinite(value)) return String(value)
  return BigInt(Math.trunc(value)).toString()
}
