/** What `wmo doctor` prints. Reads only. */
import { type Capability, type CapabilityState, probeCapabilities } from "@wmo/core"
import { Console, Effect } from "effect"
import type { DoctorFlags } from "../commands/doctor.ts"

const marks: Readonly<Record<CapabilityState, string>> = { yes: "yes ", no: "no  ", off: "off ", busy: "busy" }
const colours: Readonly<Record<CapabilityState, number>> = { yes: 32, no: 31, off: 33, busy: 35 }

const mark = (state: CapabilityState): string =>
  process.stdout.isTTY && !process.env["NO_COLOR"] ? `\x1b[${colours[state]}m${marks[state]}\x1b[0m` : marks[state]

const entry = (capability: Capability, titleWidth: number): string => {
  const indent = " ".repeat(4 + 2 + titleWidth + 2)
  const lines = [
    `${mark(capability.state)}  ${capability.title.padEnd(titleWidth)}  ${capability.detail}`,
    `${indent}use: ${capability.use}`
  ]
  if (capability.enable !== undefined) lines.push(`${indent}enable: ${capability.enable}`)
  return lines.join("\n")
}

export const doctor = Effect.fn("wmo doctor")(function* (flags: DoctorFlags) {
  const capabilities = yield* probeCapabilities
  if (flags.json) return yield* Console.log(JSON.stringify(capabilities, null, 2))
  const width = Math.max(...capabilities.map(({ title }) => title.length))
  yield* Console.log(capabilities.map((capability) => entry(capability, width)).join("\n"))
})
