/** The figures and ranges of a process arena, from what its loops know. Pure. */
import { pageSize } from "@wmo/core"
import { measures } from "../predictors/Score.ts"
import { Tournament } from "../predictors/tournament.ts"
import { ChunkPlace } from "./ProcessChunks.ts"
import type { ProcessState } from "./ProcessState.ts"
import type { ProcessArenaStatus, ProcessRange } from "./ProcessStatus.ts"

export const statusOf = (state: ProcessState): ProcessArenaStatus => {
  const { advisor, before, damon, identity, mode, name, swap } = state.options
  const { predictor, tally } = state.expectations
  const standings = predictor instanceof Tournament ? predictor.standings : []
  return {
    mode,
    pid: identity.pid,
    name,
    settings: state.settings,
    by: advisor.by,
    swap,
    reads: damon.reads,
    chunkBytes: state.chunks.chunkBytes,
    intervalMs: damon.intervalMs(),
    coldMs: state.coldMs,
    stallPercent: state.stallPercent,
    pressurePercent: state.backOff.percent,
    chunks: state.chunks.count,
    unfit: state.unfit,
    tooYoung: state.chunks.sorted().filter((slot) => !state.isOldEnough(slot, state.nowMs)).length,
    runMs: state.nowMs - state.startMs,
    before,
    now: state.now,
    outBytes: state.outBytes,
    mostOutBytes: state.mostOutBytes,
    heldBytes: state.outBytes * state.heldShare,
    pagedOutBytes: state.pagedOutBytes,
    readInBytes: state.readInBytes,
    demandBytes: state.demandBytes,
    majorFaults: state.majorFaults,
    savedByteSeconds: state.savedByteMs / 1000,
    wholeByteSeconds: state.wholeByteMs / 1000,
    pageOutMs: state.pageOutMs,
    readInMs: state.readInMs,
    predictMs: state.predictMs,
    metadataBytes: state.chunks.metadataBytes + state.expectations.metadataBytes,
    predictor: {
      name: predictor.name,
      explanation: predictor.explain(),
      tally: { ...tally },
      measures: measures(tally),
      standings: standings.map((standing) => ({ ...standing, measures: measures(standing.total) }))
    }
  }
}

/** Neighbouring chunks of one mapping that are used alike, by address. */
export const rangesOf = (state: ProcessState): ReadonlyArray<ProcessRange> => {
  const { base, chunkBytes, names, place, present, swapped, touchedAtMs } = state.chunks
  const found: Array<{ -readonly [K in keyof ProcessRange]: ProcessRange[K] }> = []
  for (const slot of state.chunks.sorted()) {
    const idleMs = state.nowMs - touchedAtMs[slot]!
    const kind =
      place[slot] === ChunkPlace.out
        ? "out"
        : place[slot] === ChunkPlace.restored
          ? "restored"
          : !state.isOldEnough(slot, state.nowMs)
            ? "young"
            : idleMs >= state.coldMs
              ? "cold"
              : "hot"
    const last = found.at(-1)
    const here = { presentBytes: present[slot]! * pageSize, swappedBytes: swapped[slot]! * pageSize }
    if (last !== undefined && last.end === base[slot] && last.name === names[slot] && last.place === kind) {
      last.end = base[slot]! + chunkBytes
      last.presentBytes += here.presentBytes
      last.swappedBytes += here.swappedBytes
      last.idleMs = Math.min(last.idleMs, idleMs)
    } else found.push({ start: base[slot]!, end: base[slot]! + chunkBytes, name: names[slot]!, place: kind, idleMs, ...here })
  }
  return found
}
