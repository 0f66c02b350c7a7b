/**
 * DAMON of the fake kernel: a sysfs tree whose counts make and empty directories, kdamonds that run, modules, and tracepoints. It answers
 * as 6.12 was seen to, with the files of the generation that is asked for; what regions there are comes from a function.
 * Models mm/damon/{sysfs,sysfs-schemes,core}.c as far as a user of the files can see.
 */
import { Result } from "effect"
import { existsSync } from "node:fs"
import { adminFields, below, type Fields, type FileField, kdamondFields, type ListField, type Since } from "../damon/DamonLayout.ts"
import { damonModuleFiles } from "../damon/DamonModules.ts"
import { damonTracepoints } from "../damon/DamonTraceEvent.ts"
import type { DamonContext, DamonTriedRegion, Kdamond } from "../damon/DamonTree.ts"
import { problemsOf } from "../damon/makeKdamond.ts"
import { Errno, type FakeFs } from "./FakeFs.ts"

export interface FakeDamonOptions {
  /** Which kernel's files there are; by default those of 6.12. */
  readonly kernel?: Since
  /** What monitoring sees, whenever it is asked; by default ten regions per target. */
  readonly regions?: (context: DamonContext) => ReadonlyArray<DamonTriedRegion>
  /** Whether there is such a process; by default what `/proc` of this machine says. */
  readonly isProcess?: (pid: number) => boolean
  /** What interval tuning comes to at once, where a goal is set. */
  readonly tuned?: { readonly sampleUs: number; readonly aggrUs: number }
  /** Modules that are built in; by default reclaim and lru_sort, and stat since 6.17. */
  readonly modules?: ReadonlyArray<keyof typeof damonModuleFiles>
}

interface FakeKdamond {
  /** What it runs with: the set-up of the last `on` or `commit`. */
  running: DamonContext | undefined
  pid: number
  hasRun: boolean
  stats: Array<{ nrTried: bigint; szTried: bigint; nrApplied: bigint; szApplied: bigint }>
}

/** Commands, and since which kernel. */
const commands: Readonly<Record<string, Since>> = {
  on: [5, 18],
  off: [5, 18],
  commit: [6, 0],
  update_schemes_stats: [5, 18],
  update_schemes_tried_regions: [6, 2],
  clear_schemes_tried_regions: [6, 2],
  update_schemes_tried_bytes: [6, 6],
  commit_schemes_quota_goals: [6, 8],
  update_schemes_effective_quotas: [6, 9],
  update_tuned_intervals: [6, 15]
}

const words: Readonly<Record<string, ReadonlyArray<readonly [word: string, since: Since]>>> = {
  operations: ["vaddr", "fvaddr", "paddr"].map((word) => [word, [5, 18]]),
  action: [
    ...["willneed", "cold", "pageout", "hugepage", "nohugepage", "stat"].map((word) => [word, [5, 18]] as const),
    ["lru_prio", [6, 0]],
    ["lru_deprio", [6, 0]],
    ["migrate_hot", [6, 11]],
    ["migrate_cold", [6, 11]],
    ["collapse", [7, 2]]
  ],
  type: [
    ["anon", [6, 3]],
    ["memcg", [6, 3]],
    ["addr", [6, 6]],
    ["target", [6, 6]],
    ["young", [6, 10]],
    ["hugepage_size", [6, 15]],
    ["unmapped", [6, 15]],
    ["active", [6, 15]]
  ],
  metric: [
    ["none", [5, 18]],
    ["free_mem_rate", [5, 18]]
  ],
  target_metric: [
    ["user_input", [6, 8]],
    ["some_mem_psi_us", [6, 9]],
    ["node_mem_used_bp", [6, 16]],
    ["node_mem_free_bp", [6, 16]],
    ["node_memcg_used_bp", [6, 19]],
    ["node_memcg_free_bp", [6, 19]],
    ["active_mem_bp", [7, 0]],
    ["inactive_mem_bp", [7, 0]]
  ],
  goal_tuner: [
    ["consist", [7, 1]],
    ["temporal", [7, 1]]
  ]
}
/** Files that the kernel parses as int and as unsigned int; all other numbers are unsigned long. */
const ints = /^(?:nr_(?!accesses_permil).*|pid_target|target_nid|nid|damon_target_idx)$/
const uints = /^(?:.*_permil|id|weight|refresh_ms)$/
const paths = /^(?:memcg_path|path)$/
const lockedFiles = /^(?:state|pid|nr_.*|memcg_path)$/
const coreFilters = new Set(["addr", "target"])
const moduleDefaults: Readonly<Record<string, string>> = {
  min_age: "120000000",
  cold_min_age: "120000000",
  hot_thres_access_freq: "500",
  quota_ms: "10",
  quota_sz: "134217728",
  quota_reset_interval_ms: "1000",
  wmarks_interval: "5000000",
  wmarks_high: "500",
  wmarks_mid: "400",
  wmarks_low: "200",
  sample_interval: "5000",
  aggr_interval: "100000",
  min_nr_regions: "10",
  max_nr_regions: "1000",
  addr_unit: "1",
  kdamond_pid: "-1",
  aggr_interval_us: "100000",
  memory_idle_ms_percentiles: Array.from({ length: 101 }, (_, i) => i * 100 - 500).join(",")
}
const lruSortDefaults: Readonly<Record<string, string>> = { wmarks_high: "200", wmarks_mid: "150", wmarks_low: "50" }
const moduleSince: Readonly<Record<string, Since>> = {
  skip_anon: [6, 3],
  quota_mem_pressure_us: [6, 9],
  quota_autotune_feedback: [6, 9],
  addr_unit: [6, 18],
  aggr_interval_us: [6, 18],
  autotune_monitoring_intervals: [7, 0],
  active_mem_bp: [7, 0],
  filter_young_pages: [7, 0]
}

const encoder = new TextEncoder()
const isNumber = (name: string): boolean => /^\d+$/.test(name)
const bounds = { int: [-(2n ** 31n), 2n ** 31n - 1n], uint: [0n, 2n ** 32n - 1n], ulong: [0n, 2n ** 64n - 1n] } as const

/** As kstrtoul and its likes with base 0: one line end may follow, blanks may not. */
const parseInteger = (text: string, kind: keyof typeof bounds): bigint => {
  const match = /^([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)\n?$/i.exec(text)
  if (match === null || (match[1] === "-" && kind !== "int")) throw new Errno("EINVAL")
  const digits = match[2]!
  const size = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits)
  const value = match[1] === "-" ? -size : size
  if (value < bounds[kind][0] || value > bounds[kind][1]) throw new Errno("ERANGE")
  return value
}

/** As kstrtobool. */
const parseBoolean = (text: string): boolean => {
  if (/^(?:[yt1]|on)/i.test(text)) return true
  if (/^(?:[nf0]|of)/i.test(text)) return false
  throw new Errno("EINVAL")
}

const tenRegions = ({ intervals, targets }: DamonContext): ReadonlyArray<DamonTriedRegion> =>
  targets.flatMap(({ regions }) => {
    const ranges = regions.length > 0 ? regions : [{ start: 0x5600_0000_0000n, end: 0x5600_4000_0000n }]
    return ranges.flatMap(({ end, start }) => {
      const size = (end - start) / 10n
      return Array.from({ length: 10 }, (_, i) => ({
        start: start + BigInt(i) * size,
        end: i === 9 ? end : start + BigInt(i + 1) * size,
        nrAccesses: i < 2 ? Math.floor(intervals.aggrUs / Math.max(1, intervals.sampleUs)) : 0,
        age: i * 3,
        szFilterPassed: 0
      }))
    })
  })

export class FakeDamon {
  private readonly fs: FakeFs
  private readonly admin: string
  private readonly modulesRoot: string
  private readonly tracing: string
  private readonly options: FakeDamonOptions
  private readonly kernel: Since
  private readonly kdamonds: Array<FakeKdamond> = []
  private readonly texts = new Map<string, string>()
  private readonly modulePids = new Map<string, number>()
  private nextPid = 4_190_001
  private clock = 0
  /** How many of the next accesses find the kernel's lock taken: EBUSY. */
  busyFor = 0

  constructor(fs: FakeFs, roots: { readonly sys: string; readonly tracing: string }, options: FakeDamonOptions = {}) {
    this.fs = fs
    this.options = options
    this.kernel = options.kernel ?? [6, 12]
    this.admin = `${roots.sys}/kernel/mm/damon/admin`
    this.modulesRoot = `${roots.sys}/module`
    this.tracing = roots.tracing
    this.grow(this.admin, adminFields)
    const modules =
      options.modules ?? (["damon_reclaim", "damon_lru_sort", ...(this.isSince([6, 17]) ? ["damon_stat" as const] : [])] as const)
    for (const name of modules) this.addModule(name)
    this.addTracing()
  }

  /** What a kdamond runs with; undefined while it is off. */
  running(index: number): DamonContext | undefined {
    const kdamond = this.kdamonds[index]
    if (kdamond?.running === undefined) return undefined
    const { operations, targets } = kdamond.running
    const isAlive = this.options.isProcess ?? ((pid: number) => existsSync(`/proc/${pid}`))
    if (operations !== "paddr" && targets.length > 0 && !targets.some(({ pid }) => isAlive(pid))) kdamond.running = undefined
    return kdamond.running
  }

  private isSince([major, minor]: Since): boolean {
    return this.kernel[0] > major || (this.kernel[0] === major && this.kernel[1] >= minor)
  }

  private lock(): void {
    if (this.busyFor === 0) return
    this.busyFor--
    throw new Errno("EBUSY")
  }

  /** Makes the files and directories of a new directory. */
  private grow(directory: string, fields: Fields): void {
    this.fs.directory(directory)
    for (const field of Object.values(fields)) {
      if (!this.isSince(field.since)) continue
      const path = below(directory, field.path)
      if (field.kind === "group") this.grow(path, field.fields)
      else if (field.kind === "list") this.addList(path, field)
      else this.addFile(path, field)
    }
  }

  private addList(path: string, field: ListField): void {
    this.fs.directory(path)
    if (field.count === undefined) return
    const countPath = `${path}/${field.count}`
    this.texts.set(countPath, "0")
    this.fs.file(
      countPath,
      {
        read: () => `${this.texts.get(countPath)!}\n`,
        write: (text) => {
          if (text === "") return
          const count = Number(parseInteger(text, "int"))
          if (count < 0 || (field.count === "nr_contexts" && count > 1)) throw new Errno("EINVAL")
          this.lock()
          if (field.count === "nr_kdamonds") this.resize(count)
          this.empty(path)
          for (let i = 0; i < count; i++) this.grow(`${path}/${i}`, field.fields)
          this.texts.set(countPath, String(count))
        }
      },
      0o600
    )
  }

  private empty(directory: string): void {
    for (const name of this.fs.readdirSync(directory)) if (isNumber(name)) this.fs.remove(`${directory}/${name}`)
  }

  private resize(count: number): void {
    if (this.kdamonds.some((_, index) => this.running(index) !== undefined)) throw new Errno("EBUSY")
    this.kdamonds.splice(0, Infinity, ...Array.from({ length: count }, () => ({ running: undefined, pid: 0, hasRun: false, stats: [] })))
  }

  private addFile(path: string, field: FileField): void {
    const file = field.path
    this.texts.set(path, field.codec.encode(field.initial).slice(0, -1))
    const index = Number(/\/kdamonds\/(\d+)\//.exec(path)?.[1])
    const read = () => {
      if (lockedFiles.test(file) && (file === "state" || file === "pid")) this.lock()
      if (file === "state") return this.running(index) === undefined ? "off\n" : "on\n"
      if (file === "pid") return this.running(index) === undefined ? "-1\n" : `${this.kdamonds[index]!.pid}\n`
      return `${this.texts.get(path)!}\n`
    }
    const write = (text: string) => {
      if (text === "") return
      if (file === "state") return this.run(index, text.replace(/\n$/, ""))
      this.texts.set(path, this.parse(path, field, text))
    }
    if (field.use === "output") this.fs.file(path, { read }, 0o400)
    else this.fs.file(path, { read, write }, 0o600)
  }

  /** The text as the file will print it. */
  private parse(path: string, { initial, path: file }: FileField, text: string): string {
    if (paths.test(file)) return text
    if (typeof initial === "boolean") return parseBoolean(text) ? "Y" : "N"
    if (typeof initial === "string") {
      const word = text.replace(/\n$/, "")
      const known = words[file]?.find(([name]) => name === word)
      if (known === undefined || !this.isSince(known[1])) throw new Errno("EINVAL")
      if (/\/core_filters\/\d+\/type$/.test(path) && !coreFilters.has(word)) throw new Errno("EINVAL")
      if (/\/ops_filters\/\d+\/type$/.test(path) && coreFilters.has(word)) throw new Errno("EINVAL")
      return word
    }
    try {
      return String(parseInteger(text, ints.test(file) ? "int" : uints.test(file) ? "uint" : "ulong"))
    } catch (error) {
      // Most writers hand on what kstrto… says; this one does not.
      throw file === "pid_target" ? new Errno("EINVAL") : error
    }
  }

  /** The inputs below a kdamond, as the kernel reads them. */
  private value(index: number): Kdamond {
    return this.valueOf(`${this.admin}/kdamonds/${index}`, kdamondFields) as Kdamond
  }

  private valueOf(directory: string, fields: Fields): Record<string, unknown> {
    const value: Record<string, unknown> = {}
    for (const [key, field] of Object.entries(fields)) {
      const path = below(directory, field.path)
      if (!this.isSince(field.since)) continue
      if (field.kind === "group") value[key] = this.valueOf(path, field.fields)
      else if (field.kind === "list") {
        const names = this.fs.readdirSync(path).filter(isNumber)
        value[key] = names.map((_, i) => this.valueOf(`${path}/${i}`, field.fields))
      } else if (field.use !== "state" && field.path !== "pid") {
        value[key] = Result.getOrThrow(field.codec.decode(encoder.encode(`${this.texts.get(path)!}\n`)))
      }
    }
    return value
  }

  /** Throws what the kernel answers to a set-up that it cannot run. */
  private check(kdamond: Kdamond): DamonContext {
    if (problemsOf(kdamond).length > 0) throw new Errno("EINVAL")
    const context = kdamond.contexts[0]!
    const isProcess = this.options.isProcess ?? ((pid: number) => existsSync(`/proc/${pid}`))
    if (context.operations !== "paddr" && context.targets.some(({ pid }) => !isProcess(pid))) throw new Errno("EINVAL")
    const filters = context.schemes.flatMap((scheme) => [...(scheme.filters ?? []), ...(scheme.opsFilters ?? [])])
    for (const { memcgPath, type } of filters) {
      const group = `/sys/fs/cgroup/${memcgPath.trim()}`.replaceAll(/\/+/g, "/")
      if (type === "memcg" && !this.fs.existsSync(group)) throw new Errno("ENOMEM")
    }
    return context
  }

  private run(index: number, command: string): void {
    this.lock()
    const since = commands[command]
    if (since === undefined || !this.isSince(since)) throw new Errno("EINVAL")
    const kdamond = this.kdamonds[index]!
    const running = this.running(index)
    if (command === "on") return this.start(index, kdamond)
    if (command === "off") {
      if (running === undefined) throw new Errno(kdamond.hasRun ? "EPERM" : "EINVAL")
      kdamond.running = undefined
      return
    }
    if (running === undefined) throw new Errno("EINVAL")
    if (command === "commit") return this.commit(index, kdamond)
    const schemes = `${this.admin}/kdamonds/${index}/contexts/0/schemes`
    running.schemes.forEach((_, i) => this.update(command, running, kdamond, i, `${schemes}/${i}`))
    if (command === "update_tuned_intervals") {
      const intervals = `${this.admin}/kdamonds/${index}/contexts/0/monitoring_attrs/intervals`
      this.texts.set(`${intervals}/sample_us`, String(running.intervals.sampleUs))
      this.texts.set(`${intervals}/aggr_us`, String(running.intervals.aggrUs))
    }
  }

  private start(index: number, kdamond: FakeKdamond): void {
    if (this.running(index) !== undefined) throw new Errno("EBUSY")
    const context = this.check(this.value(index))
    if (this.modulePids.size > 0) throw new Errno("EBUSY")
    kdamond.running = this.tune(context)
    kdamond.pid = this.nextPid++
    kdamond.hasRun = true
    kdamond.stats = context.schemes.map(() => ({ nrTried: 0n, szTried: 0n, nrApplied: 0n, szApplied: 0n }))
  }

  private tune(context: DamonContext): DamonContext {
    const { tuned } = this.options
    if (tuned === undefined || (context.intervals.goal?.aggrs ?? 0) === 0) return context
    return { ...context, intervals: { ...context.intervals, ...tuned } }
  }

  private commit(index: number, kdamond: FakeKdamond): void {
    let context: DamonContext
    try {
      context = this.check(this.value(index))
    } catch (error) {
      // Kernels that do not try it on a copy first have ended the kdamond by then, and say nothing.
      if (this.isSince([6, 17])) throw error
      kdamond.running = undefined
      return
    }
    const { schemes } = context
    // Committed intervals are where tuning begins again.
    kdamond.running = context
    kdamond.stats = schemes.map((_, i) => kdamond.stats[i] ?? { nrTried: 0n, szTried: 0n, nrApplied: 0n, szApplied: 0n })
  }

  /** What monitoring sees and the scheme matches. */
  private matches(context: DamonContext, scheme: number): ReadonlyArray<DamonTriedRegion> {
    const { age, nrAccesses, sz } = context.schemes[scheme]!.pattern
    const isIn = (value: number, { max, min }: { readonly min: number; readonly max: number }) => value >= min && value <= max
    return (this.options.regions ?? tenRegions)(context).filter(
      (region) => isIn(Number(region.end - region.start), sz) && isIn(region.nrAccesses, nrAccesses) && isIn(region.age, age)
    )
  }

  private update(command: string, context: DamonContext, kdamond: FakeKdamond, scheme: number, directory: string): void {
    // What was set up since may have fewer schemes than what runs.
    if (!this.fs.existsSync(directory)) return
    const matches = this.matches(context, scheme)
    const bytes = matches.reduce((sum, { end, start }) => sum + end - start, 0n)
    const set = (file: string, value: bigint | number) => {
      if (this.texts.has(`${directory}/${file}`)) this.texts.set(`${directory}/${file}`, String(value))
    }
    if (command === "update_schemes_stats") {
      const stats = kdamond.stats[scheme]!
      const isApplied = context.schemes[scheme]!.action !== "lru_prio" || context.operations === "paddr"
      stats.nrTried += BigInt(matches.length)
      stats.szTried += bytes
      stats.nrApplied += isApplied ? BigInt(matches.length) : 0n
      stats.szApplied += isApplied ? bytes : 0n
      set("stats/nr_tried", stats.nrTried)
      set("stats/sz_tried", stats.szTried)
      set("stats/nr_applied", stats.nrApplied)
      set("stats/sz_applied", stats.szApplied)
    } else if (command === "update_schemes_effective_quotas") {
      set("quotas/effective_bytes", context.schemes[scheme]!.quotas.bytes)
    } else if (command.endsWith("_tried_regions") || command === "update_schemes_tried_bytes") {
      const isClear = command.startsWith("clear")
      this.empty(`${directory}/tried_regions`)
      set("tried_regions/total_bytes", isClear ? 0n : bytes)
      if (command === "update_schemes_tried_regions") this.addTried(`${directory}/tried_regions`, matches)
    }
  }

  private addTried(directory: string, regions: ReadonlyArray<DamonTriedRegion>): void {
    regions.forEach(({ age, end, nrAccesses, start, szFilterPassed }, i) => {
      const add = (file: string, value: bigint | number) => this.fs.file(`${directory}/${i}/${file}`, { read: () => `${value}\n` }, 0o400)
      add("start", start)
      add("end", end)
      add("nr_accesses", nrAccesses)
      add("age", age)
      if (this.isSince([6, 14])) add("sz_filter_passed", szFilterPassed ?? 0)
    })
  }

  private addModule(name: keyof typeof damonModuleFiles): void {
    const directory = `${this.modulesRoot}/${name}/parameters`
    const files = Object.values(damonModuleFiles[name])
      .map((codec) => codec.file)
      .filter((file) => this.isSince(moduleSince[file] ?? [5, 18]))
    const isSwitch = (file: string) => /^(?:enabled|commit_inputs|skip_anon|filter_young_pages|autotune_monitoring_intervals)$/.test(file)
    for (const file of files) {
      const path = `${directory}/${file}`
      const initial = (name === "damon_lru_sort" ? lruSortDefaults[file] : undefined) ?? moduleDefaults[file] ?? "0"
      this.texts.set(path, isSwitch(file) ? "N" : initial)
      const read = () => `${file === "kdamond_pid" ? (this.modulePids.get(name) ?? -1) : this.texts.get(path)!}\n`
      const isOutput = /^(?:kdamond_pid|nr_.*(?:regions|exceeds)|bytes_.*|estimated_.*|memory_idle_.*)$/.test(file) && !/^m.._nr/.test(file)
      const write = (text: string) => {
        if (isSwitch(file)) {
          if (!/^[yYnN01]\n?$/.test(text) && !/^o[nf]f?\n?$/i.test(text)) throw new Errno("EINVAL")
          if (file === "enabled") this.switchModule(name, directory, parseBoolean(text))
          if (file === "commit_inputs" && parseBoolean(text)) return this.commitModule(name, directory)
          this.texts.set(path, parseBoolean(text) ? "Y" : "N")
        } else this.texts.set(path, String(parseInteger(text, "ulong")))
      }
      if (isOutput) this.fs.file(path, { read }, 0o400)
      else this.fs.file(path, { read, write }, 0o600)
    }
  }

  private isModuleSound(directory: string): boolean {
    const number = (file: string) => Number(this.texts.get(`${directory}/${file}`) ?? 0)
    return (
      number("min_nr_regions") >= 3 &&
      number("min_nr_regions") <= number("max_nr_regions") &&
      number("sample_interval") <= number("aggr_interval")
    )
  }

  private switchModule(name: string, directory: string, isOn: boolean): void {
    if (!isOn) return void this.modulePids.delete(name)
    if (this.modulePids.has(name)) return
    if (this.modulePids.size > 0 || this.kdamonds.some((_, index) => this.running(index) !== undefined)) throw new Errno("EBUSY")
    if (name !== "damon_stat" && !this.isModuleSound(directory)) throw new Errno("EINVAL")
    this.modulePids.set(name, this.nextPid++)
    // As seen on 6.12: who names no range finds the largest one of System RAM in the files.
    const ends = [`${directory}/monitor_region_start`, `${directory}/monitor_region_end`] as const
    if (ends.some((path) => this.texts.get(path) !== "0")) return
    this.texts.set(ends[0], String(2 ** 20))
    this.texts.set(ends[1], String(4 * 2 ** 30 - 1))
  }

  /** At its next look at the watermarks a real one does this; bad inputs end it. */
  private commitModule(name: string, directory: string): void {
    if (!this.modulePids.has(name)) return void this.texts.set(`${directory}/commit_inputs`, "Y")
    if (this.isModuleSound(directory)) return
    this.modulePids.delete(name)
    this.texts.set(`${directory}/enabled`, "N")
  }

  private addTracing(): void {
    const since: Readonly<Record<string, Since>> = {
      damon_aggregated: [5, 15],
      damos_before_apply: [6, 7],
      damos_stat_after_apply_interval: [7, 0],
      damos_esz: [6, 17],
      damon_monitor_intervals_tune: [6, 17]
    }
    const events = damonTracepoints.filter((name) => this.isSince(since[name]!))
    const addEvents = (directory: string) => {
      for (const name of events) this.fs.file(`${directory}/events/damon/${name}/enable`, "0\n", 0o640)
    }
    addEvents(this.tracing)
    const instances = `${this.tracing}/instances`
    this.fs.directory(instances)
    this.fs.watch(instances, {
      onMkdir: (path) => {
        addEvents(path)
        this.fs.file(`${path}/buffer_size_kb`, "1408\n", 0o640)
        let isTurn = false
        const isOn = (name: string) => this.fs.text(`${path}/events/damon/${name}/enable`).trim() === "1"
        this.fs.file(
          `${path}/trace_pipe`,
          {
            isNotSeekable: true,
            // Each second look finds what was aggregated since the last one.
            readAt: () => {
              isTurn = !isTurn
              const text = isTurn && isOn("damon_aggregated") ? this.aggregate() : ""
              if (text === "") throw new Errno("EAGAIN")
              return encoder.encode(text)
            }
          },
          0o440
        )
      },
      onRmdir: () => undefined
    })
  }

  /** Lines of one aggregation of all that run. */
  private aggregate(): string {
    return this.kdamonds
      .map((kdamond, index) => {
        const context = this.running(index)
        if (context === undefined) return ""
        this.clock += context.intervals.aggrUs / 1e6
        const regions = (this.options.regions ?? tenRegions)(context)
        return regions
          .map(
            ({ age, end, nrAccesses, start }) =>
              `       kdamond.${index}-${kdamond.pid} [001] .....  ${(100 + this.clock).toFixed(6)}: damon_aggregated: target_id=0 nr_regions=${regions.length} ${start}-${end}: ${nrAccesses} ${age}\n`
          )
          .join("")
      })
      .join("")
  }
}
