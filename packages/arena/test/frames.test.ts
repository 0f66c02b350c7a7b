/** Blocks and frames: what is in a frame stays its own, zeros are zeros, what is warm is counted and bounded, all of it comes back. */
import { describe, expect, it } from "vitest"
import { buffers, loadMemory, type OffHeapMemory } from "../src/index.ts"
import { BlockSpace } from "../src/memory/BlockSpace.ts"
import { FrameSpace } from "../src/memory/FrameSpace.ts"
import { random } from "./support/data.ts"

const best = await loadMemory()
const frameBytes = 4096
const blockBytes = 65_536

/** A space, and every call that gave memory back: how many units, how many bytes. */
const open = (memory: OffHeapMemory, mostWarmBytes?: number) => {
  const released: Array<number> = []
  const watched: OffHeapMemory = {
    kind: memory.kind,
    reserve: (unitBytes, units) => {
      const reserved = memory.reserve(unitBytes, units)
      return {
        ...reserved,
        release: (unit, count = 1, start = 0, end = count * unitBytes) => {
          released.push(end - start)
          reserved.release(unit, count, start, end)
        }
      }
    }
  }
  const blocks = new BlockSpace(watched, memory.kind === "mmap" ? blockBytes : frameBytes, mostWarmBytes)
  return { blocks, frames: new FrameSpace(blocks, frameBytes), released }
}

describe.each([...new Set([best, buffers])])("frames on $kind", (memory) => {
  it("are each their own, zeros where asked, through any sequence of takes, gives and settles", () => {
    const { blocks, frames } = open(memory, 2 ** 17)
    const source = random(7)
    const live = new Map<number, number>()
    for (let step = 0; step < 20_000; step++) {
      if (source.below(100) < 52 || live.size === 0) {
        const isZeros = source.below(2) === 0
        const frame = frames.take(isZeros ? "zeros" : "anything")
        expect(live.has(frame)).toBe(false)
        if (isZeros && step % 4 === 0) expect(frames.bytes(frame).every((byte) => byte === 0)).toBe(true)
        const mark = source.below(256)
        frames.bytes(frame).fill(mark)
        live.set(frame, mark)
      } else {
        const frame = [...live.keys()][source.below(Math.min(live.size, 40))]!
        frames.give(frame)
        live.delete(frame)
      }
      if (step % 500 === 0) frames.settle(source.below(3) * 20_000)
      expect(frames.warmBytes).toBeLessThanOrEqual(blocks.limitBytes + blocks.slackBytes)
    }
    for (const [frame, mark] of live) expect(frames.bytes(frame).every((byte) => byte === mark)).toBe(true)
    for (const frame of live.keys()) frames.give(frame)
    frames.settle()
    expect(frames.warmBytes).toBe(0)
    blocks.close()
  })

  it("give the same memory again while it is warm, and none when it is not", () => {
    const { blocks, frames, released } = open(memory)
    const taken = Array.from({ length: 64 }, () => frames.take("zeros"))
    for (const frame of taken) frames.bytes(frame).fill(1)
    frames.give(taken[5]!)
    expect(frames.warmBytes).toBe(frameBytes)
    expect(frames.take("anything")).toBe(taken[5])
    expect(frames.bytes(taken[5]!)[100]).toBe(1)
    expect(frames.warmBytes).toBe(0)
    frames.give(taken[5]!)
    expect(frames.settle(0)).toBe(frameBytes)
    expect(released).toEqual([frameBytes])
    expect(frames.bytes(frames.take("anything"))[100]).toBe(0)
    blocks.close()
  })
})

describe.runIf(best.kind === "mmap")("blocks of frames", () => {
  it("of which all frames are free are for anybody, and are given back together", () => {
    const { blocks, frames, released } = open(best)
    const taken = Array.from({ length: 64 }, () => frames.take("zeros"))
    for (const frame of taken.slice(0, 32)) frames.give(frame)
    expect(blocks.warmBytes).toBe(2 * blockBytes)
    const block = blocks.take()
    expect([block, blocks.residentBytes(block)]).toEqual([1, blockBytes])
    blocks.give(block, 1000)
    frames.settle(0)
    expect(released).toEqual([2 * blockBytes])
    blocks.close()
  })

  it("are there before anybody needs one, within a sixteenth of what is in use", () => {
    const { blocks, frames } = open(best)
    const taken = Array.from({ length: 64 * 16 }, () => frames.take("anything"))
    frames.prepare(2 * blockBytes)
    expect(frames.warmBytes).toBe(2 * blockBytes)
    frames.prepare(100 * blockBytes)
    expect(frames.warmBytes).toBe(4 * blockBytes)
    const next = frames.take("zeros")
    expect(frames.warmBytes).toBe(4 * blockBytes - frameBytes)
    for (const frame of [...taken, next]) frames.give(frame)
    frames.settle(0)
    expect(frames.warmBytes).toBe(0)
    blocks.close()
  })

  it("of which some are free give those back, neighbours together", () => {
    const { blocks, frames, released } = open(best)
    const taken = Array.from({ length: 16 }, () => frames.take("zeros"))
    for (const at of [1, 2, 3, 7, 14, 15]) frames.give(taken[at]!)
    expect(frames.settle(0)).toBe(6 * frameBytes)
    expect(released).toEqual([3 * frameBytes, frameBytes, 2 * frameBytes])
    blocks.close()
  })

  it("say that there is no memory, and lose nothing by it", () => {
    const { blocks, frames } = open({ ...best, reserve: buffers.reserve.bind(undefined, 2 ** 50) as OffHeapMemory["reserve"] })
    expect(() => frames.bytes(frames.take("anything"))).toThrow(expect.objectContaining({ _tag: "ArenaError" }))
    blocks.close()
  })
})
