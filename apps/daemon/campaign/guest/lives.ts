/**
 * Groups that live at random: made, filled, forking, ended by themselves, by a signal or by `cgroup.kill`, with their processes replaced or the whole group
 * removed, and made again. One slot is one group's name. Seeded; when things happen still depends on the machine's speed.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { readGroup, removeGroup, killAll, startWorkload } from "./workload.ts"
import type { Seeded } from "../seeded.ts"

export interface LivesOptions {
  readonly group: string
  readonly seeded: Seeded
  /** How long a group's processes live, in seconds. */
  readonly lifeSeconds: readonly [from: number, to: number]
  readonly mib: readonly [from: number, to: number]
  readonly until: AbortSignal
}

export interface Lives {
  started: number
  readonly ends: Record<string, number>
}

const nap = (seconds: number, until: AbortSignal): Promise<void> =>
  sleep(seconds * 1000, undefined, { signal: until }).catch(() => undefined)

const signalAll = (group: string, signal: NodeJS.Signals): void => {
  for (const pid of readGroup(group, "cgroup.procs").split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), signal)
    } catch {
      // It ended by itself in the meantime.
    }
  }
}

/** Lives one after the other until it is told to end; then the group is gone. */
export const live = async ({ group, lifeSeconds, mib, seeded, until }: LivesOptions): Promise<Lives> => {
  const lives: Lives = { started: 0, ends: {} }
  while (!until.aborted) {
    const seconds = Math.round(seeded.between(...lifeSeconds))
    const size = seeded.whole(...mib)
    const how = seeded.pick(["by itself", "by SIGTERM", "by SIGKILL", "by cgroup.kill"] as const)
    startWorkload(group, {
      mib: size,
      hotMib: Math.ceil(size * seeded.between(0.1, 0.5)),
      seed: seeded.whole(1, 1e6),
      forkEverySeconds: seeded.pick([0, 1, 2, 5]),
      lifeSeconds: how === "by itself" ? seconds : 0
    })
    lives.started++
    await nap(seconds + (how === "by itself" ? 1 : 0), until)
    if (how === "by SIGTERM") signalAll(group, "SIGTERM")
    if (how === "by SIGKILL") signalAll(group, "SIGKILL")
    const end = seeded.chance(0.6) ? `${how}, group removed` : `${how}, group stays`
    await (end.endsWith("removed") ? removeGroup(group) : killAll(group))
    lives.ends[end] = (lives.ends[end] ?? 0) + 1
    await nap(seeded.between(0, 4), until)
  }
  await removeGroup(group)
  return lives
}
