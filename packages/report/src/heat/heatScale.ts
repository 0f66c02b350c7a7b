/**
 * From a share of samples to one of ten levels, and what a level looks like: a digit, and a colour of the 256 that terminals have.
 * `linear`: a tenth each. `log`: each level is twice the one below, for memory that is used now and then.
 */
import type { Style } from "../StyledLine.ts"
import type { RowKind } from "./HeatView.ts"

export type HeatScale = "linear" | "log"
export type HeatOverlay = "heat" | "kind"

/** Level of a share above 0. */
export const levelOf = (share: number, scale: HeatScale): number => {
  const level = scale === "linear" ? Math.floor(share * 10) : Math.floor(10 + Math.log2(share))
  return Math.min(9, Math.max(0, level))
}

/** The smallest share of a level; level 0 begins right above 0. */
export const levelFrom = (level: number, scale: HeatScale): number =>
  level === 0 ? 0 : scale === "linear" ? level / 10 : 2 ** (level - 10)

/** Dark to bright through one hue each, so that order shows without the digits, and to whom red and green are one. */
const ramps: Readonly<Record<"heat" | Exclude<RowKind, "none">, ReadonlyArray<number>>> = {
  heat: [17, 18, 54, 90, 126, 162, 203, 209, 221, 230],
  anon: [52, 52, 88, 88, 124, 124, 160, 160, 196, 203],
  file: [17, 17, 18, 19, 20, 21, 27, 33, 39, 45],
  mixed: [53, 53, 54, 90, 91, 127, 128, 164, 201, 207]
}
/** Levels of a ramp from which on black reads better than white. */
const brightFrom = { heat: 6, anon: 9, file: 7, mixed: 8 } as const

export interface CellLook {
  readonly text: string
  readonly style: Style
}

const blank: CellLook = { text: " ", style: {} }
const never: CellLook = { text: "·", style: { color: 240 } }
const idle: CellLook = { text: "-", style: { color: 244 } }
const kindLetters: Readonly<Record<RowKind, string>> = { anon: "A", file: "F", mixed: "M", none: "?" }

/** One letter for what a row is of. */
export const kindLetter = (kind: RowKind): string => (kind === "none" ? " " : kindLetters[kind])

/** A cell: ` ` nobody looked, `·` never used, `-` not used then, `0`–`9` how often; with the overlay a letter, large where it was used. */
export const cellLook = (
  share: number,
  { isNever, kind }: { readonly isNever: boolean; readonly kind: RowKind },
  { overlay, scale }: { readonly overlay: HeatOverlay; readonly scale: HeatScale }
): CellLook => {
  if (Number.isNaN(share)) return blank
  const letter = kindLetters[kind]
  if (share <= 0) {
    if (overlay === "heat") return isNever ? never : idle
    return isNever ? never : { text: letter.toLowerCase(), style: { color: 244 } }
  }
  const level = levelOf(share, scale)
  const ramp = overlay === "heat" || kind === "none" ? "heat" : kind
  return {
    text: overlay === "heat" ? String(level) : letter,
    style: { background: ramps[ramp][level]!, color: level >= brightFrom[ramp] ? 16 : 231 }
  }
}

/** `#rrggbb` of a colour of the 256 (16 and above). */
const hexColor = (index: number): string => {
  const part = (value: number) => (value === 0 ? 0 : 55 + 40 * value)
  const rgb =
    index >= 232
      ? Array.from({ length: 3 }, () => 8 + 10 * (index - 232))
      : [Math.floor((index - 16) / 36), Math.floor((index - 16) / 6) % 6, (index - 16) % 6].map(part)
  return `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`
}

/** The colour of a cell in a picture. */
export const cellColor = (share: number, kind: RowKind, overlay: HeatOverlay, scale: HeatScale): string =>
  hexColor(ramps[overlay === "heat" || kind === "none" ? "heat" : kind][levelOf(share, scale)]!)
