/** Every codec: what is printed is read back, and no bytes whatever make it throw. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { onTestFinished } from "vitest"
import { CodecError } from "../src/index.ts"
import { codecCases as cases } from "./codecs.ts"
import { damonCodecCases } from "./codecs.damon.ts"
import { groupCodecCases } from "./codecs.groups.ts"
import { processCodecCases } from "./codecs.processes.ts"

const codecCases = [...cases, ...groupCodecCases, ...processCodecCases, ...damonCodecCases]
const encoder = new TextEncoder()
const seed = 20261121

const isTotal = (decode: (bytes: Uint8Array) => Result.Result<unknown, CodecError>, bytes: Uint8Array): void => {
  const result = decode(bytes)
  if (Result.isSuccess(result)) return
  assert.instanceOf(result.failure, CodecError)
  assert.isAtLeast(result.failure.line, 1)
  assert.notInclude(result.failure.message, "\n")
}

/** Of valid files with one to three things done to them, and of bytes that never were one. */
const fuzzedInputs = 10_000
const soup = encoder.encode("0123456789 \nN=some anonfilemax+-x,_()[]:/kBmemcg node")

/** xorshift32: whole numbers below `n`. */
const makeRandom = (state: number) => (n: number) => {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % n
}
type Random = ReturnType<typeof makeRandom>

const bytesOf = (random: Random, length: number, isSoup: boolean): Uint8Array =>
  Uint8Array.from({ length }, () => (isSoup ? soup[random(soup.length)]! : random(256)))

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** A byte changed, a cut, a piece inserted, doubled, or dropped. */
const damage = (random: Random, file: Uint8Array): Uint8Array => {
  const start = random(file.length + 1)
  const head = file.subarray(0, start)
  const tail = file.subarray(start)
  const piece = 1 + random(40)
  switch (random(5)) {
    case 0:
      return concat(head, Uint8Array.of(random(256)), tail.subarray(1))
    case 1:
      return head
    case 2:
      return concat(head, bytesOf(random, piece, random(2) === 0), tail)
    case 3:
      return concat(head, tail.subarray(0, piece), tail)
    default:
      return concat(head, tail.subarray(piece))
  }
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

  it(`answers ${fuzzedInputs} fuzzed inputs with a Result`, () => {
    const files = fc.sample(values, { seed, numRuns: 100 }).map((value) => encoder.encode(codec.encode(value)))
    const random = makeRandom(seed)
    const { stackTraceLimit } = Error
    // Errors are most of the answers, and their stacks most of the time.
    Error.stackTraceLimit = 0
    onTestFinished(() => void (Error.stackTraceLimit = stackTraceLimit))
    for (let i = 0; i < fuzzedInputs; i++) {
      let input = i % 5 === 0 ? bytesOf(random, random(200), i % 2 === 0) : files[random(files.length)]!
      if (i % 5 !== 0) for (let changes = 1 + random(3); changes > 0; changes--) input = damage(random, input)
      try {
        isTotal(codec.decode, input)
      } catch (thrown) {
        assert.fail(`input ${i}, ${Buffer.from(input).toString("base64")} in base64: ${String(thrown)}`)
      }
    }
  })

  it("answers endless digits, keys and lines with a Result", () => {
    for (const piece of ["9", "a", "a 9\n", "\n", " ", "a=9 ", "[", "\\"]) isTotal(codec.decode, encoder.encode(piece.repeat(150_000)))
    for (const prefix of ["anon ", "", "N0\n1000 anon=", "memcg ", "MemTotal: ", "some avg10=0.00 avg60=0.00 avg300=0.00 total="]) {
      isTotal(codec.decode, encoder.encode(`${prefix}${"9".repeat(400)}\n`))
    }
  })
})
