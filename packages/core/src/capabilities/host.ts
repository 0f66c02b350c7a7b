/** Kernel release and privileges. Capability numbers: include/uapi/linux/capability.h. */
import { Effect } from "effect"
import { capability, makeProbe } from "./probe.ts"

/** The capabilities that memory work needs, with what each is for. */
const needed: ReadonlyArray<readonly [bit: bigint, name: string, what: string]> = [
  [1n, "CAP_DAC_OVERRIDE", "writing files of other owners"],
  [19n, "CAP_SYS_PTRACE", "reading other processes' page maps"],
  [21n, "CAP_SYS_ADMIN", "page frame numbers and the idle bitmap"],
  [23n, "CAP_SYS_NICE", "process_madvise on other processes"],
  [24n, "CAP_SYS_RESOURCE", "PSI triggers with windows that are not multiples of 2 s"]
]

export const probeHost = Effect.gen(function* () {
  const { roots, text } = yield* makeProbe
  const release = yield* text(`${roots.proc}/sys/kernel/osrelease`)
  const kernel = capability("kernel", "Linux kernel", "which interfaces to expect; each is probed below", {
    state: release === undefined ? "no" : "yes",
    detail: release === undefined ? `${roots.proc}/sys/kernel/osrelease cannot be read: is this Linux with /proc?` : `release ${release}`
  })

  const status = (yield* text(`${roots.proc}/self/status`)) ?? ""
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1]
  const mask = /^CapEff:\s+([0-9a-f]{1,16})$/m.exec(status)?.[1]
  const effective = mask === undefined ? 0n : BigInt(`0x${mask}`)
  const missing = needed.filter(([bit]) => ((effective >> bit) & 1n) === 0n)
  const who = uid === undefined ? "the process's own user is unknown" : uid === "0" ? "running as root" : `running as user ${uid}`
  const privileges = capability("privileges", "Privileges", "writing limits, reclaiming, advising other processes", {
    state: missing.length === 0 ? "yes" : "off",
    detail:
      missing.length === 0
        ? `${who}, with all capabilities that matter here`
        : `${who}, without ${missing.map(([, name, what]) => `${name} (${what})`).join(", ")}`,
    enable:
      missing.length === 0
        ? undefined
        : uid === "0"
          ? "run outside the container, or give it these capabilities"
          : "run as root, for example with sudo"
  })
  return [kernel, privileges]
})
