/**
 * The DAMON modules of the fake kernel: parameters, switching on and off, `commit_inputs`. At most one runs, and none beside a kdamond.
 * Models mm/damon/{reclaim,lru_sort,stat}.c as 6.12 was seen to behave.
 */
import type { DamonModuleName } from "../damon/DamonErrors.ts"
import type { Since } from "../damon/DamonLayout.ts"
import { damonModuleFiles } from "../damon/DamonModules.ts"
import type { DamonEngine } from "./DamonEngine.ts"
import { hasSince, parseBoolean, parseInteger } from "./damonWords.ts"
import { Errno, type FakeFs } from "./FakeFs.ts"

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

export interface FakeDamonModulesOptions {
  readonly kernel: Since
  /** Directory of all modules. */
  readonly root: string
  readonly modules: ReadonlyArray<keyof typeof damonModuleFiles>
  /** Whether a kdamond of sysfs runs. */
  readonly isBusy: () => boolean
  readonly nextPid: () => number
  readonly engine?: DamonEngine | undefined
}

export class FakeDamonModules {
  private readonly fs: FakeFs
  private readonly options: FakeDamonModulesOptions
  private readonly texts = new Map<string, string>()
  private readonly modulePids = new Map<string, number>()

  constructor(fs: FakeFs, options: FakeDamonModulesOptions) {
    this.fs = fs
    this.options = options
    for (const name of options.modules) this.addModule(name)
  }

  get isRunning(): boolean {
    return this.modulePids.size > 0
  }

  private addModule(name: keyof typeof damonModuleFiles): void {
    const directory = `${this.options.root}/${name}/parameters`
    const files = Object.values(damonModuleFiles[name])
      .map((codec) => codec.file)
      .filter((file) => hasSince(this.options.kernel, moduleSince[file] ?? [5, 18]))
    const isSwitch = (file: string) => /^(?:enabled|commit_inputs|skip_anon|filter_young_pages|autotune_monitoring_intervals)$/.test(file)
    for (const file of files) {
      const path = `${directory}/${file}`
      const initial = (name === "damon_lru_sort" ? lruSortDefaults[file] : undefined) ?? moduleDefaults[file] ?? "0"
      this.texts.set(path, isSwitch(file) ? "N" : initial)
      const read = () => {
        if (file === "kdamond_pid") return `${this.modulePids.get(name) ?? -1}\n`
        return `${(isOutput ? this.options.engine?.moduleOutput(name, file) : undefined) ?? this.texts.get(path)!}\n`
      }
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

  /** What the module's files say, by file. */
  private parameters(directory: string): ReadonlyMap<string, string> {
    const inside = [...this.texts].filter(([path]) => path.startsWith(`${directory}/`))
    return new Map(inside.map(([path, text]) => [path.slice(directory.length + 1), text]))
  }

  private switchModule(name: DamonModuleName, directory: string, isOn: boolean): void {
    const { engine } = this.options
    if (!isOn) {
      if (this.modulePids.delete(name)) engine?.stopModule(name)
      return
    }
    if (this.modulePids.has(name)) return
    if (this.isRunning || this.options.isBusy()) throw new Errno("EBUSY")
    if (name !== "damon_stat" && !this.isModuleSound(directory)) throw new Errno("EINVAL")
    this.modulePids.set(name, this.options.nextPid())
    // As seen on 6.12: who names no range finds the largest one of System RAM in the files.
    const ends = [`${directory}/monitor_region_start`, `${directory}/monitor_region_end`] as const
    if (ends.every((path) => this.texts.get(path) === "0")) {
      const { end, start } = engine?.systemRam() ?? { start: 2 ** 20, end: 4 * 2 ** 30 - 1 }
      this.texts.set(ends[0], String(start))
      this.texts.set(ends[1], String(end))
    }
    engine?.startModule(name, this.modulePids.get(name)!, this.parameters(directory))
  }

  /** At its next look at the watermarks a real one does this; bad inputs end it. */
  private commitModule(name: DamonModuleName, directory: string): void {
    if (!this.modulePids.has(name)) return void this.texts.set(`${directory}/commit_inputs`, "Y")
    if (this.isModuleSound(directory)) return this.options.engine?.commitModule(name, this.parameters(directory))
    this.modulePids.delete(name)
    this.options.engine?.stopModule(name)
    this.texts.set(`${directory}/enabled`, "N")
  }
}
