/**
 * What has been seen so far, by subject, and the lines above a picture: shared by the live view and `--once`. Mutable, bounded in memory.
 */
import { formatBytes } from "@wmo/core"
import { AgeHistory, HeatHistory, type HeatView, viewOf, type ViewOptions } from "@wmo/report"
import type { HeatItem } from "../actions/heatmapFeed.ts"

export interface Picture {
  readonly name: string
  title: string
  readonly history: HeatHistory | AgeHistory
}

export interface PicturesOptions {
  readonly columnMs: number
  readonly columnsAtMost: number
}

export class HeatPictures {
  private readonly options: PicturesOptions
  private readonly byName = new Map<string, Picture>()
  /** Items so far. */
  count = 0

  constructor(options: PicturesOptions) {
    this.options = options
  }

  add(item: HeatItem): void {
    this.count++
    if (item.kind === "heat") {
      const { frame } = item
      const picture = this.pictureOf(frame.subject.name, frame.title, () => new HeatHistory(this.options))
      if (picture.history instanceof HeatHistory) picture.history.add(frame)
    } else {
      const { atMs, group, pageAge } = item.frame
      const picture = this.pictureOf(`cgroup ${group}`, `cgroup ${group || "/"}`, () => new AgeHistory(this.options))
      if (picture.history instanceof AgeHistory) picture.history.add({ atMs, bins: pageAge.bins })
    }
  }

  private pictureOf(name: string, title: string, make: () => HeatHistory | AgeHistory): Picture {
    let picture = this.byName.get(name)
    if (picture === undefined) this.byName.set(name, (picture = { name, title, history: make() }))
    // A program that was started in place of another has its name from then on.
    picture.title = title
    return picture
  }

  /** In the order in which they were first seen. */
  get all(): ReadonlyArray<Picture> {
    return [...this.byName.values()]
  }
}

export const pictureView = ({ history }: Picture, options: ViewOptions): HeatView =>
  history instanceof HeatHistory
    ? viewOf(history, options)
    : history.view({ columns: options.columns, ...(options.back === undefined ? {} : { back: options.back }) })

/** What a cell of it is a share of. */
export const measureOf = ({ history }: Picture): string =>
  history instanceof HeatHistory ? "samples that found it used" : "the group's memory that has been idle for so long"

/** `node (pid 4711) · 96.5 MiB in 12 ranges`. */
export const headOf = (picture: Picture, view: HeatView): string => {
  if (view.totalBytes === 0) return picture.title
  const ranges = `${view.ranges} ${view.ranges === 1 ? "range" : "ranges"}`
  return `${picture.title} · ${formatBytes(view.totalBytes)} in ${ranges}`
}
