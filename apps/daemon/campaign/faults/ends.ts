/** SIGTERM amid a start and amid an end, pause and resume and reload all at once, storms of SIGHUP. */
import type { Fault } from "../Fault.ts"

export const ends: ReadonlyArray<Fault> = [
  {
    kind: "SIGTERM while it starts",
    strike: async (stage, seeded) => {
      await stage.end()
      for (let i = seeded.whole(1, 3); i > 0; i--) {
        let left = seeded.whole(1, 60)
        stage.begin((fs) => {
          fs.before = () => {
            if (--left === 0) stage.terminate()
          }
        })
        await stage.until(() => stage.hasEnded || stage.isUp)
        await stage.end()
      }
    }
  },
  {
    kind: "SIGTERM while it ends",
    strike: async (stage, seeded) => {
      let left = seeded.whole(1, 20)
      stage.fs.before = () => {
        if (--left === 0) stage.terminate()
      }
      stage.terminate()
      await stage.until(() => stage.hasEnded)
      stage.terminate()
    }
  },
  {
    kind: "SIGHUP storm",
    strike: async (stage, seeded) => {
      for (let i = seeded.whole(10, 200); i > 0; i--) {
        stage.reload()
        if (seeded.chance(0.05)) await stage.clock.advance(seeded.whole(1, 500))
      }
      await stage.pass(2)
    }
  },
  {
    kind: "pause and resume race",
    strike: async (stage, seeded) => {
      await Promise.all(
        Array.from({ length: seeded.whole(3, 12) }, () => {
          switch (seeded.pick(["pause", "resume", "reload", "status"])) {
            case "pause":
              return stage.ask((client) => client.Pause())
            case "resume":
              return stage.ask((client) => client.Resume())
            case "reload":
              return stage.ask((client) => client.Reload())
            default:
              return stage.status()
          }
        })
      )
      await stage.pass(seeded.whole(0, 3))
      await stage.ask((client) => client.Resume())
    }
  }
]
