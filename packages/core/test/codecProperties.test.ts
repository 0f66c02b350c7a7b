/** Every codec: what is printed is read back, and no bytes whatever make it throw. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { CodecError } from "../src/index.ts"
import { codecCases as cases } from "./codecs.ts"
import { damonCodecCases } from "./codecs.damon.ts"
import { groupCodecCases } from "./codecs.groups.ts"
import { processCodecCases } from "./codecs.processes.ts"

const codecCases = [...cases, ...groupCodecCases, ...processCodecCases, ...damonCodecCases]
const encoder = new TextEncoder()
const seed = 20261121

/** A valid file with one thing done to it: a byte changed, a cut, a piece doubled, a line dropped. */
const mutation = fc.record({
  kind: fc.constantFrom("flip", "cut", "double", "insert", "drop"),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.integer({ min: 1, max: 40 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 24 })
})

const mutate = (file: Uint8Array, { at, bytes, kind, length }: typeof mutation extends fc.Arbitrary<infer M> ? M : never): Uint8Array => {
  const start = Math.floor(at * file.length)
  const head = file.subarray(0, start)
  const tail = file.subarray(start)
  switch (kind) {
    case "flip":
      return new Uint8Array([...head, bytes[0]!, ...tail.subarray(1)])
    case "cut":
      return head
    case "double":
      return new Uint8Array([...head, ...tail.subarray(0, length), ...tail])
    case "insert":
      return new Uint8Array([...head, ...bytes, ...tail])
    default:
      return new Uint8Array([...head, ...tail.subarray(length)])
  }
}

const isTotal = (decode: (bytes: Uint8Array) => Result.Result<unknown, CodecError>, bytes: Uint8Array): void => {
  const result = decode(bytes)
  if (Result.isSuccess(result)) return
  assert.instanceOf(result.failure, CodecError)
  assert.isAtLeast(result.failure.line, 1)
  assert.notInclude(result.failure.message, "\n")
}

describe.each(codecCases)("$name", ({ codec, values }) => {
  it("reads back what it printed", () => {
    fc.assert(
      fc.property(values, (value) => {
        const read = codec.decode(encoder.encode(codec.encode(value)))
        assert.isTrue(Result.isSuccess(read), String(Result.isFailure(read) ? read.failure.message : ""))
        assert.deepStrictEqual(Result.getOrThrow(read), value)
      }),
      { seed, numRuns: 300 }
    )
  })

  it("answers arbitrary bytes with a Result", () => {
    const alphabet = fc
      .constantFrom(..."0123456789 \nN=some anonfilemax+-x,_()[]:/kBmemcg node".split(""))
      .map((char) => char.charCodeAt(0))
    const soup = fc.array(alphabet, { maxLength: 120 }).map((chars) => Uint8Array.from(chars))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), soup), (bytes) => isTotal(codec.decode, bytes)),
      { seed, numRuns: 2000 }
    )
  })

  it("answers damaged files with a Result", () => {
    fc.assert(
      fc.property(values, mutation, (value, change) => isTotal(codec.decode, mutate(encoder.encode(codec.encode(value)), change))),
      { seed, numRuns: 2000 }
    )
  })

  it("answers endless digits, keys and lines with a Result", () => {
    for (const piece of ["9", "a", "a 9\n", "\n", " ", "a=9 ", "[", "\\"]) isTotal(codec.decode, encoder.encode(piece.repeat(150_000)))
    for (const prefix of ["anon ", "", "N0\n1000 anon=", "memcg ", "MemTotal: ", "some avg10=0.00 avg60=0.00 avg300=0.00 total="]) {
      isTotal(codec.decode, encoder.encode(`${prefix}${"9".repeat(400)}\n`))
    }
  })
})
