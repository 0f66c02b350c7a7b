/**
 * Lines of styled text, and how wide they are in a terminal: what live views are made of before any terminal is involved. Pure.
 * Widths are those of common terminals: combining marks take no column, East Asian wide characters and emoji two.
 */

/** The eight colours that every terminal has, or a colour of the 256. */
export type Color = "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "white" | "gray" | number

export interface Style {
  readonly color?: Color
  readonly background?: Color
  readonly bold?: boolean
  readonly dim?: boolean
  readonly inverse?: boolean
}

/** A piece of text in one style. */
export interface Span extends Style {
  readonly text: string
}

/** One row of the screen. */
export type Line = ReadonlyArray<Span>

export const span = (text: string, style: Style = {}): Span => ({ text, ...style })

/** A line in one style. */
export const line = (text: string, style: Style = {}): Line => [span(text, style)]

const controls = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g
const invisible = /^\p{M}$/u
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]$|^\p{Emoji_Presentation}$/u
const ascii = /^[\x20-\x7e]*$/

/** Names come from others: what would move the cursor or turn the text around is shown as `?`. */
export const printable = (text: string): string => text.replace(controls, "?")

const charWidth = (char: string): number => (invisible.test(char) ? 0 : wide.test(char) ? 2 : 1)

/** Columns that a text takes. */
export const textWidth = (text: string): number => {
  if (ascii.test(text)) return text.length
  let width = 0
  for (const char of text) width += charWidth(char)
  return width
}

export const lineWidth = (line: Line): number => line.reduce((sum, { text }) => sum + textWidth(text), 0)

/** The first columns of a text. A wide character that would stick out is left out. */
export const cutText = (text: string, width: number): string => {
  if (ascii.test(text)) return text.slice(0, Math.max(0, width))
  let taken = ""
  let left = width
  for (const char of text) {
    left -= charWidth(char)
    if (left < 0) break
    taken += char
  }
  return taken
}

/** A text of exactly this width: cut, its end marked by `…`, or padded. */
export const fitText = (text: string, width: number, align: "left" | "right" = "left"): string => {
  if (width <= 0) return ""
  const known = textWidth(text)
  const fitted = known <= width ? text : `${cutText(text, width - 1)}…`
  const padding = " ".repeat(Math.max(0, width - textWidth(fitted)))
  return align === "left" ? fitted + padding : padding + fitted
}

/** A line of exactly this width: cut, or padded in its last style. */
export const fitLine = (line: Line, width: number): Line => {
  const fitted: Array<Span> = []
  let left = width
  for (const piece of line) {
    if (left <= 0) break
    const text = cutText(piece.text, left)
    left -= textWidth(text)
    fitted.push({ ...piece, text })
  }
  if (left > 0) fitted.push({ ...line.at(-1), text: " ".repeat(left) })
  return fitted
}

/** The text without its styles. */
export const plainLine = (line: Line): string =>
  line
    .map(({ text }) => text)
    .join("")
    .trimEnd()
