/**
 * DAMON of the fake kernel: a sysfs tree whose counts make and empty directories, kdamonds that run, modules, and tracepoints. It answers
 * as 6.12 was seen to, with the files of the generation that is asked for; what regions there are comes from a function.
 * Models mm/damon/{sysfs,sysfs-schemes,core}.c as far as a user of the files can see.
 */
import { Result } from "effect"
import { existsSync } from "node:fs"
import { adminFields, below, type Fields, type FileField, kdamondFields, type ListField, type Since } from "../damon/DamonLayout.ts"
import type { DamonModuleName } from "../damon/DamonErrors.ts"
import type { DamonContext, DamonTriedRegion, Kdamond } from "../damon/DamonTree.ts"
import { problemsOf } from "../damon/makeKdamond.ts"
import type { DamonEngine } from "./DamonEngine.ts"
import { damonCommands, damonWords, hasSince, ints, parseBoolean, parseInteger, uints } from "./damonWords.ts"
import { FakeDamonModules } from "./FakeDamonModules.ts"
import { addDamonTracing } from "./FakeDamonTrace.ts"
import { Errno, type FakeFs } from "./FakeFs.ts"

export interface FakeDamonOptions {
  /** Which kernel's files there are; by default those of 6.12. */
  readonly kernel?: Since
  /** What monitoring sees, whenever it is asked; by default ten regions per target. */
  readonly regions?: (context: DamonContext) => ReadonlyArray<DamonTriedRegion>
  /** Kdamonds that monitor something; without it what they see is made up. */
  readonly engine?: DamonEngine
  /** Whether there is such a process; by default what `/proc` of this machine says. */
  readonly isProcess?: (pid: number) => boolean
  /** What interval tuning comes to at once, where a goal is set. */
  readonly tuned?: { readonly sampleUs: number; readonly aggrUs: number }
  /** Modules that are built in; by default reclaim and lru_sort, and stat since 6.17. */
  readonly modules?: ReadonlyArray<DamonModuleName>
}

interface FakeKdamond {
  /** What it runs with: the set-up of the last `on` or `commit`. */
  running: DamonContext | undefined
  pid: number
  hasRun: boolean
  stats: Array<{ nrTried: bigint; szTried: bigint; nrApplied: bigint; szApplied: bigint }>
}

const paths = /^(?:memcg_path|path)$/
/** Files that are read under the lock. */
const lockedFiles = /^(?:state|pid)$/
const coreFilters = new Set(["addr", "target"])
const encoder = new TextEncoder()
const isNumber = (name: string): boolean => /^\d+$/.test(name)

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
  private readonly options: FakeDamonOptions
  private readonly kernel: Since
  private readonly kdamonds: Array<FakeKdamond> = []
  private readonly texts = new Map<string, string>()
  private readonly modules: FakeDamonModules
  private nextPid = 4_190_001
  private clock = 0
  /** How many of the next accesses find the kernel's lock taken: EBUSY. */
  busyFor = 0

  constructor(fs: FakeFs, roots: { readonly sys: string; readonly tracing: string }, options: FakeDamonOptions = {}) {
    this.fs = fs
    this.options = options
    this.kernel = options.kernel ?? [6, 12]
    this.admin = `${roots.sys}/kernel/mm/damon/admin`
    this.grow(this.admin, adminFields)
    const modules =
      options.modules ?? (["damon_reclaim", "damon_lru_sort", ...(this.isSince([6, 17]) ? ["damon_stat" as const] : [])] as const)
    this.modules = new FakeDamonModules(fs, {
      kernel: this.kernel,
      root: `${roots.sys}/module`,
      modules,
      isBusy: () => this.isRunning,
      nextPid: () => this.nextPid++,
      engine: options.engine
    })
    addDamonTracing(fs, roots.tracing, this.kernel, options.engine ?? (() => this.aggregate()))
  }

  /** What a kdamond runs with; undefined while it is off. */
  running(index: number): DamonContext | undefined {
    const kdamond = this.kdamonds[index]
    if (kdamond?.running === undefined) return undefined
    const { operations, targets } = kdamond.running
    if (this.options.engine?.isRunning(index) === false) return (kdamond.running = undefined)
    const isAlive = this.options.isProcess ?? ((pid: number) => existsSync(`/proc/${pid}`))
    if (operations !== "paddr" && targets.length > 0 && !targets.some(({ pid }) => isAlive(pid))) kdamond.running = undefined
    return kdamond.running
  }

  private get isRunning(): boolean {
    return this.kdamonds.some((_, index) => this.running(index) !== undefined)
  }

  private isSince(since: Since): boolean {
    return hasSince(this.kernel, since)
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
    if (this.isRunning) throw new Errno("EBUSY")
    this.kdamonds.splice(0, Infinity, ...Array.from({ length: count }, () => ({ running: undefined, pid: 0, hasRun: false, stats: [] })))
  }

  private addFile(path: string, field: FileField): void {
    const file = field.path
    this.texts.set(path, field.codec.encode(field.initial).slice(0, -1))
    const index = Number(/\/kdamonds\/(\d+)\//.exec(path)?.[1])
    const read = () => {
      if (lockedFiles.test(file)) this.lock()
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
      const known = damonWords[file]?.find(([name]) => name === word)
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
        // Without a count they are what the kernel tells: the regions of the last snapshot.
        if (field.count === undefined) continue
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
    const since = damonCommands[command]
    if (since === undefined || !this.isSince(since)) throw new Errno("EINVAL")
    const kdamond = this.kdamonds[index]!
    const running = this.running(index)
    if (command === "on") return this.start(index, kdamond)
    if (command === "off") {
      if (running === undefined) throw new Errno(kdamond.hasRun ? "EPERM" : "EINVAL")
      this.options.engine?.stop(index)
      kdamond.running = undefined
      return
    }
    if (running === undefined) throw new Errno("EINVAL")
    if (command === "commit") return this.commit(index, kdamond)
    const { engine } = this.options
    if (command === "commit_schemes_quota_goals") engine?.commitGoals(index, this.value(index).contexts[0]!)
    const tried = command.startsWith("update_schemes_tried") ? engine?.tryOnce(index) : undefined
    // Time may have passed, and with it the last target.
    if (this.running(index) === undefined) throw new Errno("EINVAL")
    const schemes = `${this.admin}/kdamonds/${index}/contexts/0/schemes`
    running.schemes.forEach((_, i) => this.update(command, running, index, i, `${schemes}/${i}`, tried?.[i]))
    if (command === "update_tuned_intervals") {
      const intervals = `${this.admin}/kdamonds/${index}/contexts/0/monitoring_attrs/intervals`
      const { aggrUs, sampleUs } = engine?.intervals(index) ?? running.intervals
      this.texts.set(`${intervals}/sample_us`, String(sampleUs))
      this.texts.set(`${intervals}/aggr_us`, String(aggrUs))
    }
  }

  private start(index: number, kdamond: FakeKdamond): void {
    if (this.running(index) !== undefined) throw new Errno("EBUSY")
    const context = this.check(this.value(index))
    if (this.modules.isRunning) throw new Errno("EBUSY")
    kdamond.running = this.tune(context)
    kdamond.pid = this.nextPid++
    kdamond.hasRun = true
    this.options.engine?.start(index, kdamond.pid, context)
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
      this.options.engine?.stop(index)
      kdamond.running = undefined
      return
    }
    const { schemes } = context
    // Committed intervals are where tuning begins again.
    kdamond.running = context
    this.options.engine?.commit(index, context)
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

  private update(
    command: string,
    context: DamonContext,
    index: number,
    scheme: number,
    directory: string,
    tried: ReadonlyArray<DamonTriedRegion> | undefined
  ): void {
    // What was set up since may have fewer schemes than what runs.
    if (!this.fs.existsSync(directory)) return
    const { engine } = this.options
    const matches = tried ?? (engine === undefined ? this.matches(context, scheme) : [])
    const bytes = matches.reduce((sum, { end, start }) => sum + end - start, 0n)
    const set = (file: string, value: bigint | number) => {
      if (this.texts.has(`${directory}/${file}`)) this.texts.set(`${directory}/${file}`, String(value))
    }
    if (command === "update_schemes_stats") {
      const stats = engine?.stats(index, scheme) ?? this.count(context, index, scheme, matches)
      set("stats/nr_tried", stats.nrTried)
      set("stats/sz_tried", stats.szTried)
      set("stats/nr_applied", stats.nrApplied)
      set("stats/sz_applied", stats.szApplied)
      if ("qtExceeds" in stats) set("stats/qt_exceeds", stats.qtExceeds)
    } else if (command === "update_schemes_effective_quotas") {
      set("quotas/effective_bytes", engine?.effectiveBytes(index, scheme) ?? context.schemes[scheme]!.quotas.bytes)
    } else if (command.endsWith("_tried_regions") || command === "update_schemes_tried_bytes") {
      const isClear = command.startsWith("clear")
      this.empty(`${directory}/tried_regions`)
      set("tried_regions/total_bytes", isClear ? 0n : bytes)
      if (command === "update_schemes_tried_regions") this.addTried(`${directory}/tried_regions`, matches)
    }
  }

  /** Statistics that are made up: every scheme is applied to all that it matches, whenever somebody asks. */
  private count(context: DamonContext, index: number, scheme: number, matches: ReadonlyArray<DamonTriedRegion>): FakeKdamond["stats"][0] {
    const stats = this.kdamonds[index]!.stats[scheme]!
    const bytes = matches.reduce((sum, { end, start }) => sum + end - start, 0n)
    const isApplied = context.schemes[scheme]!.action !== "lru_prio" || context.operations === "paddr"
    stats.nrTried += BigInt(matches.length)
    stats.szTried += bytes
    stats.nrApplied += isApplied ? BigInt(matches.length) : 0n
    stats.szApplied += isApplied ? bytes : 0n
    return stats
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

  /** Lines of one aggregation of all that run. */
  private aggregate(): string {
    return this.kdamonds
      .map((kdamond, index) => {
        const context = this.running(index)
        if (context === undefined) return ""
        this.clock += context.intervals.aggrUs / 1e6
        return context.targets
          .map((target, id) => {
            const regions = (this.options.regions ?? tenRegions)({ ...context, targets: [target] })
            return regions
              .map(
                ({ age, end, nrAccesses, start }) =>
                  `       kdamond.${index}-${kdamond.pid} [001] .....  ${(100 + this.clock).toFixed(6)}: damon_aggregated: target_id=${id} nr_regions=${regions.length} ${start}-${end}: ${nrAccesses} ${age}\n`
              )
              .join("")
          })
          .join("")
      })
      .join("")
  }
}
