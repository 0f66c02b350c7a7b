/** What the scripts that run in the guest have in common: commands, waiting, groups. They print one line of JSON with what they saw; the tests judge it. */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

export const cgroupRoot = "/sys/fs/cgroup"

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const run = (command: string, ...args: ReadonlyArray<string>): Ran => {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", timeout: 90_000 })
  return { code: status, stdout: stdout ?? "", stderr: stderr ?? "" }
}

/** Whether it became true in time. */
export const until = async (isTrue: () => boolean, seconds = 60): Promise<boolean> => {
  for (let i = 0; i < seconds * 5; i++) {
    if (isTrue()) return true
    await sleep(200)
  }
  return isTrue()
}

export const readGroup = (group: string, file: string): string =>
  existsSync(`${cgroupRoot}/${group}/${file}`) ? readFileSync(`${cgroupRoot}/${group}/${file}`, "utf8").trim() : "gone"

/** A group with a process that holds so many bytes. */
export const occupied = async (group: string, bytes: number): Promise<void> => {
  mkdirSync(`${cgroupRoot}/${group}`)
  const program = `require("fs").writeFileSync("${cgroupRoot}/${group}/cgroup.procs", "0"); globalThis.held = Buffer.alloc(${bytes}, 1); setInterval(() => {}, 1e6)`
  spawn(process.execPath, ["-e", program], { stdio: "ignore" })
  await until(() => Number(readGroup(group, "memory.current")) > bytes)
}
