/**
 * Plays the slots of one boot, one after another, inside the guest: resets the machine, starts `wmo run` with the policy and the workload
 * pinned to the first CPU, samples the machine once a second, writes what came of it. A slot that fails is a result; the next one is played.
 * Where the workload is a server and its client, only the server is in the group, as an operator would have it.
 */
import { spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { writeWhole } from "../../vm/VmCache.ts"
import { type BootOrder, type MachineSample, recordingFile, resultFile, type SlotOrder, type SlotResult } from "../plan.ts"
import { hasClient } from "../workloads.ts"
import { makeMachineSampler, resetMachine } from "./machine.ts"

/** Leaves the group that it is started in, before it needs memory, and says where the server belongs. */
const clientOutside =
  'group=$(sed -n "s,^0::,/sys/fs/cgroup,p" /proc/self/cgroup); echo $$ > /sys/fs/cgroup/cgroup.procs && exec "$@" --server-group "$group"'

/** `wmo`: how this program is started, without its arguments. */
export const slotCommand = (wmo: ReadonlyArray<string>, slot: SlotOrder, directory: string): ReadonlyArray<string> => [
  ...wmo,
  "run",
  "--group",
  `league/${slot.id}`,
  "--policy",
  slot.policy,
  ...Object.entries(slot.settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]),
  "--record",
  recordingFile(directory, slot.id),
  "--quiet",
  "--",
  ...(hasClient(slot.workload) ? ["sh", "-c", clientOutside, "sh"] : []),
  "taskset",
  "-c",
  "0",
  ...wmo,
  "workload",
  ...slot.workload
]

const play = (wmo: ReadonlyArray<string>, slot: SlotOrder, order: BootOrder, directory: string): Promise<SlotResult> =>
  new Promise((resolve, reject) => {
    // A guest that died left half a recording: it would be in the way.
    for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(`${recordingFile(directory, slot.id)}${suffix}`, { force: true })
    const [program, ...args] = slotCommand(wmo, slot, directory)
    const child = spawn(program!, args, { stdio: ["ignore", "ignore", "pipe"] })
    let said = ""
    child.stderr.on("data", (piece: Buffer) => {
      said = (said + piece.toString()).slice(-4000)
    })
    child.once("error", reject)
    const samples: Array<MachineSample> = []
    const sample = makeMachineSampler(child.pid!)
    const sampling = setInterval(() => samples.push(sample()), 1000)
    let isLate = false
    const late = setTimeout(() => {
      isLate = true
      child.kill("SIGINT")
      setTimeout(() => child.kill("SIGINT"), 1000)
    }, order.slotTimeoutMs)
    child.once("close", (code, signal) => {
      clearInterval(sampling)
      clearTimeout(late)
      const exitCode = code ?? 128 + (signal === "SIGKILL" ? 9 : 2)
      const line = said.split("\n").findLast((text) => text.startsWith("wmo: ")) ?? said.trim().split("\n").at(-1) ?? ""
      const trouble = isLate ? "it took too long and was ended" : exitCode === 0 ? null : line.replace(/^wmo: /, "")
      resolve({ id: slot.id, exit_code: exitCode, trouble, samples })
    })
  })

/** Says on stderr `slot ID` when one starts. */
export const runSlots = async (wmo: ReadonlyArray<string>, order: BootOrder, directory: string): Promise<void> => {
  for (const slot of order.slots) {
    process.stderr.write(`slot ${slot.id}\n`)
    resetMachine()
    writeWhole(resultFile(directory, slot.id), JSON.stringify(await play(wmo, slot, order, directory)))
  }
}
