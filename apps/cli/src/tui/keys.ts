/**
 * Keys by name: `a`, `/`, `G`, `space`, `up`, `pagedown`, `enter`, `esc`, `tab`, `ctrl+c`, `shift+left`. Several characters that arrive at
 * once (typed ahead, pasted) are as many keys.
 */
import type { Key } from "ink"

const named: ReadonlyArray<readonly [flag: keyof Key, name: string]> = [
  ["upArrow", "up"],
  ["downArrow", "down"],
  ["leftArrow", "left"],
  ["rightArrow", "right"],
  ["pageUp", "pageup"],
  ["pageDown", "pagedown"],
  ["home", "home"],
  ["end", "end"],
  ["return", "enter"],
  ["escape", "esc"],
  ["tab", "tab"],
  ["backspace", "backspace"],
  // What most terminals send for the backspace key.
  ["delete", "backspace"]
]

export const keysOf = (input: string, key: Key): ReadonlyArray<string> => {
  const special = named.find(([flag]) => key[flag] === true)
  if (special !== undefined) return [`${key.ctrl ? "ctrl+" : ""}${key.shift ? "shift+" : ""}${special[1]}`]
  if (key.ctrl) return [`ctrl+${input}`]
  return [...input].map((char) => (char === " " ? "space" : char === "\r" || char === "\n" ? "enter" : char))
}
