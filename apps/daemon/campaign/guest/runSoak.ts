/**
 * The soak: wmod with `slo` on three groups that live at random, for so many minutes; what it cost, what it saved, and everything that is wrong. An hour in
 * ten minutes: ticks twice a second, ages and lives a sixth of usual ones. Runs as root on a kernel that may be changed (the VM's guest).
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { join } from "node:path"
import { Seeded } from "../seeded.ts"
import { type Lives, live } from "./lives.ts"
import { differences, kdamonds, settingsNow } from "../settings.ts"
import { quantile, theilSen } from "./theilSen.ts"
import { type TickTimes, tickTimes } from "./tickTimes.ts"
import { groupFile } from "./workload.ts"
import { journalsIn, placesIn, WmodProcess } from "./WmodProcess.ts"

const mib = 2 ** 20
const groups = ["soak-a", "soak-b", "soak-c"]
const sampleEveryMs = 2000
/**
 * How often garbage is collected, to see what is held. RSS as it comes rises and falls by 8 MiB and more from one collection to the next, minutes apart: over
 * five minutes that can look like a hundred MiB an hour.
 */
const collectEveryMs = 20_000
/** Until caches are full and code is compiled. */
const warmUpShare = 0.5

export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  readonly directory: string
  readonly everyMs?: number
  /** How long a group's processes live. */
  readonly lifeSeconds?: readonly [from: number, to: number]
  /** RSS may rise by so much an hour, in bytes, over the half that counts; descriptors by so many. */
  readonly rssSlopeAtMost?: number
  readonly descriptorSlopeAtMost?: number
}

interface SoakSample {
  readonly seconds: number
  /** Resident after a collection; undefined: there was none at this sample. */
  readonly heldBytes: number | undefined
  readonly rssBytes: number
  readonly descriptors: number
  readonly cpuSeconds: number
  /** What the three groups hold in memory, the compressed pool included, and what of theirs is compressed, before and after. */
  readonly currentBytes: number
  readonly zswappedBytes: number
  readonly poolBytes: number
  /** In zram or on its way there. */
  readonly swapOnlyBytes: number
}

export interface SoakReport {
  readonly problems: ReadonlyArray<string>
  readonly lines: ReadonlyArray<string>
}

const field = (text: string, name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0)
const readIf = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}
const stallUs = (): number => Number(/some .*total=(\d+)/.exec(readFileSync("/proc/pressure/memory", "utf8"))?.[1] ?? 0)

const sampleOf = (wmod: WmodProcess, seconds: number, heldBytes: number | undefined): SoakSample => {
  const sum = { currentBytes: 0, zswappedBytes: 0, poolBytes: 0, swapOnlyBytes: 0 }
  for (const group of groups) {
    const stat = readIf(groupFile(group, "memory.stat"))
    const zswapped = field(stat, "zswapped")
    sum.currentBytes += Number(readIf(groupFile(group, "memory.current")) || 0)
    sum.zswappedBytes += zswapped
    sum.poolBytes += field(stat, "zswap")
    sum.swapOnlyBytes += Math.max(0, Number(readIf(groupFile(group, "memory.swap.current")) || 0) - zswapped)
  }
  return { seconds, heldBytes, ...wmod.usage(), ...sum }
}

/** Under emulation a tick costs ten times as much: wmod's own budget would have it look less and less. Every tick is a look, so that late ones show. */
const config = (recordings: string, everyMs: number): string => `every: ${everyMs}ms
idle_every: off
self: { cpu: off, memory: off }
emergency_stop: off
defaults: { policy: slo, floor: 8M, settings: { least_age: 2s } }
rules: [{ match: "soak-*" }]
recording: { directory: ${recordings} }
server: { http: off }
`

/** What the log says that nobody should have to read. Warnings that a group could not be restored, or that the recording has gaps, are such. */
const troubleIn = (log: string): ReadonlyArray<string> =>
  log.split("\n").filter((line) => /level=(?:WARN|ERROR|FATAL)|this is a bug|unhandled|Error:/i.test(line))

interface Measured {
  readonly samples: ReadonlyArray<SoakSample>
  readonly ticks: TickTimes
  readonly lives: ReadonlyArray<Lives>
  readonly seconds: number
  readonly stalledUs: number
}

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)

/** Slopes an hour over the samples after the warm-up. */
const slopesOf = (samples: ReadonlyArray<SoakSample>) => {
  const late = samples.slice(Math.floor(samples.length * warmUpShare))
  const collected = late.filter(({ heldBytes }) => heldBytes !== undefined)
  const slope = (of: ReadonlyArray<SoakSample>, y: (sample: SoakSample) => number) =>
    theilSen(of.map((sample) => ({ x: sample.seconds / 3600, y: y(sample) })))
  return {
    rssBytes: slope(collected, ({ heldBytes }) => heldBytes!),
    descriptors: slope(late, ({ descriptors }) => descriptors),
    samples: late.length,
    collections: collected.length
  }
}

const describe = ({ lives, samples, seconds, stalledUs, ticks }: Measured, options: SoakOptions): ReadonlyArray<string> => {
  const inMib = (bytes: number): string => `${(bytes / mib).toFixed(1)} MiB`
  const first = samples[0]!
  const last = samples.at(-1)!
  const slopes = slopesOf(samples)
  const held = samples.flatMap(({ heldBytes }) => (heldBytes === undefined ? [] : [heldBytes]))
  const net = samples.map(({ poolBytes, zswappedBytes }) => zswappedBytes - poolBytes)
  const whole = samples.map(({ currentBytes }, i) => currentBytes + net[i]!)
  const ends = new Map<string, number>()
  for (const life of lives) for (const [how, count] of Object.entries(life.ends)) ends.set(how, (ends.get(how) ?? 0) + count)
  const cpu = ((last.cpuSeconds - first.cpuSeconds) / (last.seconds - first.seconds)) * 100
  return [
    `seed ${options.seed}, ${(seconds / 60).toFixed(1)} min, ${groups.length} groups, ${lives.reduce((sum, { started }) => sum + started, 0)} lives: ${[
      ...ends
    ]
      .toSorted()
      .map(([how, count]) => `${count} ${how}`)
      .join("; ")}`,
    `saved, net of the compressed pool: ${inMib(mean(net))} on average (${((mean(net) / Math.max(1, mean(whole))) * 100).toFixed(1)} % of the groups' memory), ${inMib(Math.max(...net))} at most; ${inMib(mean(samples.map(({ swapOnlyBytes }) => swapOnlyBytes)))} went past the pool to zram and are not counted`,
    `PSI some memory, of the machine: ${((stalledUs / 1e6 / seconds) * 100).toFixed(3)} % of the time`,
    `ticks: ${ticks.ticks} in ${ticks.runs} runs, ${ticks.missed} missed, late p50 ${quantile(ticks.lateMs, 0.5)} ms, p99 ${quantile(ticks.lateMs, 0.99)} ms, most ${quantile(ticks.lateMs, 1)} ms`,
    `wmod: ${cpu.toFixed(1)} % of a CPU after its start, RSS ${inMib(first.rssBytes)} at first, ${inMib(last.rssBytes)} at last, ${first.descriptors} and ${last.descriptors} descriptors`,
    `RSS after garbage was collected: ${[0, 0.25, 0.5, 0.75, 1].map((at) => inMib(held[Math.round(at * (held.length - 1))] ?? 0)).join(", ")} (at the start, a quarter, … of the run)`,
    `slopes over the last ${slopes.samples} of ${samples.length} samples (Theil–Sen): RSS after ${slopes.collections} collections ${inMib(slopes.rssBytes)} an hour, descriptors ${slopes.descriptors.toFixed(1)} an hour`
  ]
}

const leftBehind = (places: ReturnType<typeof placesIn>, socketMayStay: boolean): ReadonlyArray<string> => [
  ...journalsIn(places.state).map((name) => `a journal is left: ${name}: ${readIf(join(places.state, name)).slice(0, 500)}`),
  ...(existsSync(places.socket) && !socketMayStay ? ["the socket is left"] : []),
  ...kdamonds().map((line) => `a kdamond is left: ${line}`)
]

/** Runs for so long, ends everything, and says what was wrong. */
export const runSoak = async (options: SoakOptions): Promise<SoakReport> => {
  const { directory, everyMs = 500, lifeSeconds = [15, 90], minutes, seed } = options
  const places = placesIn(directory)
  writeFileSync(places.config, config(places.recordings, everyMs))
  const seeded = new Seeded(seed)
  const before = settingsNow((group) => groups.includes(group))
  const wmod = new WmodProcess(places, true)
  if (!(await wmod.isUp())) return { problems: [`wmod did not come up:\n${wmod.log}`], lines: [] }
  const problems: Array<string> = []
  const done = new AbortController()
  const startMs = Date.now()
  const stalledBefore = stallUs()
  const running = Promise.all(
    groups.map((group) => live({ group, seeded: seeded.stream(group), lifeSeconds, mib: [32, 96], until: done.signal }))
  )
  const samples: Array<SoakSample> = []
  let collectAtMs = startMs + collectEveryMs
  while (Date.now() - startMs < minutes * 60_000 && !wmod.hasEnded) {
    const isDue = Date.now() >= collectAtMs
    if (isDue) collectAtMs += collectEveryMs
    const heldBytes = isDue ? await wmod.heldBytes() : undefined
    if (wmod.hasEnded) break
    samples.push(sampleOf(wmod, (Date.now() - startMs) / 1000, heldBytes))
    if (!isDue) await sleep(sampleEveryMs)
  }
  const seconds = (Date.now() - startMs) / 1000
  const stalledUs = stallUs() - stalledBefore
  if (wmod.hasEnded) problems.push(`wmod ended by itself (${await wmod.ended})`)
  // Half of the lives are cut off while wmod is still there, half after it is gone.
  done.abort()
  const lives = await running
  const how = await wmod.end()
  if (how !== 0) problems.push(`wmod ended with ${how}`)
  problems.push(...troubleIn(wmod.log).map((line) => `in the log: ${line}`))
  problems.push(...differences(before, settingsNow()), ...leftBehind(places, false))
  const ticks = tickTimes(places.recordings)
  if (ticks.ticks === 0) problems.push("nothing was recorded")
  const slopes = slopesOf(samples)
  const { descriptorSlopeAtMost = 60, rssSlopeAtMost = 60 * mib } = options
  if (slopes.rssBytes > rssSlopeAtMost) problems.push(`RSS rises by ${(slopes.rssBytes / mib).toFixed(1)} MiB an hour`)
  if (slopes.descriptors > descriptorSlopeAtMost) problems.push(`open descriptors rise by ${slopes.descriptors.toFixed(1)} an hour`)
  return { problems, lines: describe({ lives, samples, seconds, stalledUs, ticks }, options) }
}

/** A directory for a soak, empty. */
export const freshDirectory = (directory: string): string => {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return directory
}
