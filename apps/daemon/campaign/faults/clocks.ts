/** The wall clock is set, forward and back, by seconds and by years; nobody runs for a while; both. */
import type { Fault } from "../Fault.ts"

const jumpsMs = [1500, 60_000, 3_600_000, 86_400_000, 20 * 365 * 86_400_000]

export const clocks: ReadonlyArray<Fault> = [
  {
    kind: "wall clock jumps",
    strike: async (stage, seeded) => {
      for (let i = seeded.whole(1, 4); i > 0; i--) {
        stage.clock.setWall(seeded.pick(jumpsMs) * seeded.pick([1, -1]))
        await stage.pass(seeded.whole(1, 30))
      }
    }
  },
  {
    kind: "clock stalls",
    strike: async (stage, seeded) => {
      for (let i = seeded.whole(1, 4); i > 0; i--) {
        const ms = seeded.pick([300, 5000, 120_000, 3_600_000])
        await stage.clock.stall(ms)
        // As after a suspend: the wall clock knows of it, the monotonic one did not go.
        if (seeded.chance(0.3)) stage.clock.setWall(ms)
        await stage.pass(seeded.whole(1, 10))
      }
    }
  }
]
