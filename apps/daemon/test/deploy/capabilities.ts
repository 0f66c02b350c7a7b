/**
 * Run in the guest, as root: what wmod can do with which capabilities, as root and as nobody. For each set it runs one wmod with a policy of each kind on a group
 * of its own, and tells what became of them.
 */
import { spawn } from "node:child_process"
import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { occupied, readGroup, run, until } from "./guestTools.ts"

const [, , wmod = "", wmo = ""] = process.argv
type Policies = ReadonlyArray<readonly [name: string, settings: string]>
/** A policy of each kind: memory.high, memory.reclaim and page ages, generations, DAMON on processes. */
const usual: Policies = [
  ["senpai", ""],
  ["periodic", "cold_age: 1s, interval: 1s"],
  ["lru-gen", ""],
  ["prcl", ""]
]
/** DAMON on physical memory. */
const physical: Policies = [["darc", ""]]
const nobody = 65534
const sets: ReadonlyArray<readonly [name: string, uid: number, capabilities: ReadonlyArray<string>, policies: Policies]> = [
  ["root without", 0, [], usual],
  ["nobody without", nobody, [], usual],
  ["nobody DAC_OVERRIDE", nobody, ["dac_override"], usual],
  ["root without, physical", 0, [], physical],
  ["root SYS_ADMIN, physical", 0, ["sys_admin"], physical]
]

const results: Array<object> = []
for (const [name, uid, capabilities, policies] of sets) {
  const group = (policy: string): string => `caps-${results.length}-${policy}`
  for (const [policy] of policies) await occupied(group(policy), 24 * 2 ** 20)
  const directory = `/run/caps-${results.length}`
  mkdirSync(directory, { mode: 0o700 })
  chownSync(directory, uid, uid)
  const config = join(directory, "wmod.yaml")
  const rules = policies.map(
    ([policy, settings]) => `  - { match: ${group(policy)}, policy: ${policy}, floor: 1M, settings: { ${settings} } }`
  )
  writeFileSync(config, `every: 500ms\nemergency_stop: off\nserver: { http: off }\nrules:\n${rules.join("\n")}\n`)
  const plus = capabilities.map((each) => `,+${each}`).join("")
  const drop = [`--bounding-set=-all${plus}`, `--inh-caps=-all${plus}`, `--ambient-caps=-all${plus}`, "--no-new-privs"]
  const command = [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", ...drop, process.execPath, wmod, "--config", config]
  const child = spawn("setpriv", command, { env: { ...process.env, WMO_STATE_DIR: directory }, stdio: ["ignore", "inherit", "pipe"] })
  let log = ""
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()))
  const ended = new Promise((resolve) => child.once("close", resolve))
  await until(() => /looks after groups/.test(log) || child.exitCode !== null)
  await new Promise((resolve) => setTimeout(resolve, 12_000))
  if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name}: wmod ended by itself: ${log.slice(-2000)}`)
  const status = run(process.execPath, wmo, "status", "--json", "--socket", join(directory, "wmod.sock"))
  const capEff = /^CapEff:\s*(\w+)$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]
  child.kill("SIGTERM")
  await ended
  const groups = status.code === 0 ? JSON.parse(status.stdout).groups : []
  console.error(`${name}: ${status.code}`)
  results.push({
    name,
    capEff,
    policies: Object.fromEntries(
      groups.map(({ actions, policy, problem, reclaimed_bytes, state }: Readonly<Record<string, unknown>>) => [
        policy,
        { state, problem, actions, reclaimed_bytes }
      ])
    ),
    high: policies.map(([policy]) => readGroup(group(policy), "memory.high")),
    log: status.code === 0 ? "" : log.slice(-500)
  })
  rmSync(directory, { recursive: true })
}
console.log(JSON.stringify(results))
process.exit(0)
