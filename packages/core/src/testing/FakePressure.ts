/**
 * Pressure files of the fake kernel, with triggers: each opened descriptor may hold one, which fires when the file's own totals have grown
 * by the stall within the window. Nobody watches a clock here: whoever changes a total calls `check`.
 * Models psi_trigger_create and update_triggers in kernel/sched/psi.c.
 */
import { type PressureStall, pressureStall } from "../PressureStall.ts"
import { Errno, type FakeDescriptor, type FakeFile } from "./FakeFs.ts"

interface Trigger {
  readonly descriptor: FakeDescriptor
  readonly line: "some" | "full"
  readonly stallUs: bigint
  readonly windowMs: number
  /** Where the window began. */
  startMs: number
  startUs: bigint
  firedMs: number
}

const windowAtLeastUs = 500_000
const windowAtMostUs = 10_000_000
const u32 = 2 ** 32

export class FakePressure {
  private readonly triggers = new Set<Trigger>()
  private readonly read: () => PressureStall
  private readonly now: (() => number) | undefined

  /** Without a clock every window is over at the next check. */
  constructor(read: () => PressureStall, now?: () => number) {
    this.read = read
    this.now = now
  }

  get file(): FakeFile {
    return { read: () => pressureStall.encode(this.read()), open: (descriptor) => this.opened(descriptor) }
  }

  /** Fires the triggers whose stall the totals have reached. */
  check(): void {
    const stall = this.read()
    const nowMs = this.now?.() ?? Infinity
    for (const trigger of this.triggers) {
      const totalUs = stall[trigger.line]?.totalUs ?? 0n
      const isDue = nowMs - trigger.firedMs >= trigger.windowMs || this.now === undefined
      if (totalUs - trigger.startUs >= trigger.stallUs && isDue) {
        trigger.firedMs = nowMs
        this.restart(trigger, totalUs, nowMs)
        trigger.descriptor.notify()
      } else if (nowMs - trigger.startMs >= trigger.windowMs) this.restart(trigger, totalUs, nowMs)
    }
  }

  private restart(trigger: Trigger, totalUs: bigint, nowMs: number): void {
    trigger.startUs = totalUs
    trigger.startMs = nowMs
  }

  private opened(descriptor: FakeDescriptor) {
    let own: Trigger | undefined
    return {
      isTrigger: () => own !== undefined,
      write: (text: string) => {
        if (text === "") throw new Errno("EINVAL")
        if (own !== undefined) throw new Errno("EBUSY")
        own = this.create(descriptor, text)
        this.triggers.add(own)
      },
      close: () => {
        if (own !== undefined) this.triggers.delete(own)
      }
    }
  }

  private create(descriptor: FakeDescriptor, text: string): Trigger {
    // As sscanf reads it: what follows the window does not matter.
    const [, line, stall, window] = /^(some|full) +(\d+) +(\d+)/.exec(text) ?? []
    if (line === undefined) throw new Errno("EINVAL")
    const [stallUs, windowUs] = [Number(stall) % u32, Number(window) % u32]
    if (windowUs < windowAtLeastUs || windowUs > windowAtMostUs) throw new Errno("EINVAL")
    if (stallUs === 0 || stallUs > windowUs) throw new Errno("EINVAL")
    const totalUs = this.read()[line as "some" | "full"]?.totalUs ?? 0n
    return {
      descriptor,
      line: line as "some" | "full",
      stallUs: BigInt(stallUs),
      windowMs: windowUs / 1000,
      startMs: this.now?.() ?? 0,
      startUs: totalUs,
      firedMs: -Infinity
    }
  }
}
