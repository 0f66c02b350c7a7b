/**
 * Samples of a simulated group once a second, summed up in parts: what every run of the comparison, with or without a policy, measures alike.
 * Reads the model, not the files: a sample costs the run no virtual time.
 */
import type { Simulation } from "@wmo/sim"
import type { Part } from "./Job.ts"
import { simulatedGroupName } from "./simulatedGroup.ts"

interface Reading {
  readonly atMs: number
  readonly bytes: number
  readonly netOffloadByteSeconds: number
  readonly grossOffloadByteSeconds: number
  readonly refaults: number
  readonly psiSomeUs: number
  readonly stallUs: number
  readonly thinkUs: number
  readonly overheadUs: number
  readonly policyCpuUs: number
}

const minuteMs = 60_000

const read = (simulation: Simulation): Reading => {
  const group = simulation.group(simulatedGroupName)
  const { grossByteSeconds, netByteSeconds, promotedPages } = simulation.offload(simulatedGroupName)
  const { overheadUs, reclaimCpuUs, stallUs, thinkUs } = simulation.outcome(simulatedGroupName)
  return {
    atMs: simulation.nowMs,
    bytes: group.currentBytes(),
    netOffloadByteSeconds: netByteSeconds,
    grossOffloadByteSeconds: grossByteSeconds,
    refaults: promotedPages,
    psiSomeUs: Number(group.psi.read(simulation.nowMs * 1000).some?.totalUs ?? 0n),
    stallUs,
    thinkUs,
    overheadUs,
    policyCpuUs: reclaimCpuUs + simulation.damon.cpuUs
  }
}

export class PartTally {
  private readonly simulation: Simulation
  private readonly first: Reading
  private last: Reading
  private byteSeconds = 0
  private peakBytes = 0
  private readonly stalls: Array<number> = []
  private readonly minuteRefaults: Array<number> = []
  private readonly minutePsiUs: Array<number> = []
  private readonly workingSets: Array<{ sum: number; count: number }> = []

  /** Begins now. */
  constructor(simulation: Simulation) {
    this.simulation = simulation
    this.first = this.last = read(simulation)
  }

  /** One more sample, now. Memory between two samples is taken to be what the later one saw. */
  sample(workingSetPages?: number): void {
    const now = read(this.simulation)
    const { last } = this
    const seconds = (now.atMs - last.atMs) / 1000
    if (seconds <= 0) return
    this.byteSeconds += now.bytes * seconds
    this.peakBytes = Math.max(this.peakBytes, now.bytes)
    this.stalls.push((now.stallUs - last.stallUs) / seconds)
    const minute = Math.max(0, Math.ceil((now.atMs - this.first.atMs) / minuteMs) - 1)
    const add = (to: Array<number>, amount: number) => {
      while (to.length <= minute) to.push(0)
      to[minute]! += amount
    }
    add(this.minuteRefaults, now.refaults - last.refaults)
    add(this.minutePsiUs, now.psiSomeUs - last.psiSomeUs)
    if (workingSetPages !== undefined) {
      while (this.workingSets.length <= minute) this.workingSets.push({ sum: 0, count: 0 })
      this.workingSets[minute]!.sum += workingSetPages
      this.workingSets[minute]!.count++
    }
    this.last = now
  }

  finish(): Part {
    const { first, last } = this
    const sorted = this.stalls.toSorted((a, b) => a - b)
    return {
      seconds: (last.atMs - first.atMs) / 1000,
      byteSeconds: this.byteSeconds,
      netOffloadByteSeconds: last.netOffloadByteSeconds - first.netOffloadByteSeconds,
      grossOffloadByteSeconds: last.grossOffloadByteSeconds - first.grossOffloadByteSeconds,
      peakBytes: this.peakBytes,
      refaults: last.refaults - first.refaults,
      psiSomeUs: last.psiSomeUs - first.psiSomeUs,
      stallUs: last.stallUs - first.stallUs,
      stallP99Us: sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.99) - 1)] ?? 0,
      thinkUs: last.thinkUs - first.thinkUs,
      overheadUs: last.overheadUs - first.overheadUs,
      policyCpuUs: last.policyCpuUs - first.policyCpuUs,
      minuteRefaults: this.minuteRefaults,
      minutePsiUs: this.minutePsiUs,
      minuteWorkingSets: this.workingSets.map(({ count, sum }) => sum / Math.max(1, count))
    }
  }
}
