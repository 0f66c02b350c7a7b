/** Groups go away amid a tick, before any operation on them, between a read and a write too; some come back at once under the same name. */
import type { Fault } from "../Fault.ts"
import { policyOf } from "../Stage.ts"

const cgroupRoot = "/sys/fs/cgroup/"

export const vanishing: ReadonlyArray<Fault> = [
  {
    kind: "group vanishes",
    strike: async (stage, seeded) => {
      const group = seeded.pick(Object.keys(policyOf))
      const comesBack = seeded.pick(["at once", "later", "never"])
      const kind = seeded.pick(["any", "read", "write"])
      let left = seeded.whole(1, 80)
      let isGone = false
      stage.fs.before = (operation, path) => {
        if (isGone || !path.startsWith(`${cgroupRoot}${group}/`) || (kind !== "any" && operation !== kind) || --left > 0) return
        isGone = true
        stage.removeGroup(group)
        if (comesBack === "at once") stage.addGroup(group)
      }
      await stage.pass(seeded.whole(20, 90))
      stage.fs.before = undefined
      if (!isGone) stage.removeGroup(group)
      if (!stage.groups.includes(group) && comesBack !== "never") stage.addGroup(group)
    }
  },
  {
    kind: "groups come and go",
    strike: async (stage, seeded) => {
      for (let i = seeded.whole(5, 30); i > 0; i--) {
        const group = `${seeded.pick(["web", "db", "cache"])}-${seeded.whole(1, 4)}`
        if (stage.groups.includes(group)) stage.removeGroup(group)
        else stage.addGroup(group)
        if (seeded.chance(0.5)) await stage.pass(seeded.whole(1, 3))
      }
    }
  }
]
