/** The kernel refuses: any errno from any file, for a while, some or all of the time, while wmod runs, starts or ends. */
import type { Fault } from "../Fault.ts"
import type { KernelFault, Operation } from "../FaultyFs.ts"
import { differences } from "../settings.ts"
import type { Seeded } from "../seeded.ts"

const paths: ReadonlyArray<RegExp> = [
  /./,
  /\/memory\.[a-z.]+$/,
  /\/memory\.high$/,
  /\/memory\.reclaim$/,
  /\/memory\.(?:current|stat|pressure|events)$/,
  /^\/sys\/kernel\/debug\/lru_gen/,
  /^\/sys\/kernel\/mm\/damon/,
  /^\/proc\//,
  /^\/sys\/fs\/cgroup(?:\/[a-z]+)?$/,
  /\/cgroup\.[a-z.]+$/
]
const operations: ReadonlyArray<ReadonlyArray<Operation>> = [["open"], ["read"], ["write"], ["open", "read", "write", "list"], ["list"]]

const faultOf = (seeded: Seeded, errno: string): KernelFault => ({
  operations: seeded.pick(operations),
  path: seeded.pick(paths),
  errno,
  probability: seeded.pick([1, 0.5, 0.1])
})

const refusing = (errno: string): Fault => ({
  kind: `kernel says ${errno}`,
  strike: async (stage, seeded) => {
    const faults = Array.from({ length: seeded.whole(1, 3) }, () => faultOf(seeded, errno))
    const lift = () => {
      stage.fs.faults = []
    }
    switch (seeded.pick(["while it runs", "while it starts", "while a group is let go", "while it ends"])) {
      case "while it runs":
        stage.fs.faults = faults
        await stage.pass(seeded.whole(2, 60))
        // What hits nothing proves nothing.
        if (stage.fs.hits === 0) stage.fs.faults = [{ operations: ["open", "read", "write"], path: /./, errno, probability: 0.5 }]
        await stage.pass(stage.fs.hits === 0 ? 5 : 0)
        return lift()
      case "while it starts":
        await stage.end()
        stage.begin((fs) => (fs.faults = faults))
        await stage.until(() => stage.isUp || stage.hasEnded)
        await stage.pass(seeded.whole(0, 20))
        return lift()
      case "while a group is let go":
        stage.fs.faults = faults
        await stage.ask((client) => client.Pause())
        await stage.pass(seeded.whole(0, 5))
        lift()
        // It tends to what could not be put back every few seconds.
        await stage.pass(12)
        stage.problems.push(...differences(stage.settingsBefore, stage.settings()).map((line) => `while it is paused, ${line}`))
        await stage.ask((client) => client.Resume())
        return
      case "while it ends":
        stage.fs.faults = faults
        await stage.end()
        return lift()
    }
  }
})

export const kernelErrors: ReadonlyArray<Fault> = ["EIO", "EINVAL", "EAGAIN", "ENODEV", "EBUSY", "EINTR", "ENOMEM", "EACCES"].map(refusing)
