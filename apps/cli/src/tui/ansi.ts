/** Styled lines as the escape sequences of ECMA-48 (SGR). Without colour, weight and inversion stay: a selection must be seen. */
import type { Color, Line, Style } from "@wmo/report"

const colors: Readonly<Record<string, number>> = { red: 1, green: 2, yellow: 3, blue: 4, magenta: 5, cyan: 6, white: 7 }

const colorCode = (color: Color, base: 30 | 40): string =>
  color === "gray" ? String(base + 60) : typeof color === "number" ? `${base + 8};5;${color}` : String(base + colors[color]!)

const codes = ({ background, bold, color, dim, inverse }: Style, isColored: boolean): ReadonlyArray<string> => [
  ...(bold === true ? ["1"] : []),
  ...(dim === true ? ["2"] : []),
  ...(inverse === true ? ["7"] : []),
  ...(isColored && color !== undefined ? [colorCode(color, 30)] : []),
  ...(isColored && background !== undefined ? [colorCode(background, 40)] : [])
]

export const ansiLine = (line: Line, isColored: boolean): string =>
  line
    .map(({ text, ...style }) => {
      const sequence = codes(style, isColored)
      return sequence.length === 0 ? text : `\x1b[${sequence.join(";")}m${text}\x1b[0m`
    })
    .join("")
