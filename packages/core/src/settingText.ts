/**
 * What the text of a setting means, as far as undoing needs it: when two texts are the same setting, what a file will say after a write,
 * and what to write to bring an old text back. Not every file takes back what it printed: `cgroup.subtree_control` prints words and takes
 * `+word -word`, nested-keyed files print all nodes and take one a write, flat-keyed ones (swap tiers) all lines and take one, choices
 * print all words and take one.
 * Sources: kernel Documentation/admin-guide/cgroup-v2.rst; param_set_bool in kernel/params.c.
 */
import { pageSize } from "./Units.ts"

const memoryLimit = /\/memory\.(?:(?:swap|zswap)\.)?(?:min|low|high|max)$/
const toggleFile = /\/cgroup\.subtree_control$/
const linesFile = /\/memory\.swap\.tiers\.max$/
const nestedPairs = /^N\d+=\d+(?: N\d+=\d+)*$/
const chosenWord = /\[([^\]]+)\]/

const words = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((word) => word !== "")
const pairs = (text: string): Map<string, string> => new Map(words(text).map((pair) => pair.split("=") as [string, string]))
/** By the first word of a line: the line. */
const keyedLines = (text: string): Map<string, string> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => [words(line)[0]!, words(line).join(" ")])
  )
const isNested = (text: string): boolean => nestedPairs.test(text.trim())

/** One spelling for each setting: `Y`, `1`, `[madvise]`, `0x0007`; the kernel rounds memory limits (and nothing else) down to pages. */
const canonical = (path: string, text: string): string => {
  const word = chosenWord.exec(text)?.[1] ?? text.trim()
  if (/^[Yy]$/.test(word)) return "1"
  if (/^[Nn]$/.test(word)) return "0"
  if (/^(?:0x[0-9a-f]{1,16}|\d{1,20})$/i.test(word)) {
    const value = BigInt(word)
    return String(memoryLimit.test(path) ? value / BigInt(pageSize) : value)
  }
  return words(word).join(" ")
}

/** Whether two texts of the file at `path` are the same setting. */
export const sameSetting = (path: string, a: string, b: string): boolean => canonical(path, a) === canonical(path, b)

/** What the file at `path` will say, if it said `before` and `written` is written to it. */
export const settingAfter = (path: string, before: string, written: string): string => {
  if (toggleFile.test(path)) {
    const toggles = words(written)
    if (!toggles.every((word) => /^[+-]/.test(word))) return written.trim()
    const switched = toggles.map((word) => word.slice(1))
    return [
      ...words(before).filter((word) => !switched.includes(word)),
      ...toggles.filter((word) => word.startsWith("+")).map((word) => word.slice(1))
    ].join(" ")
  }
  if (isNested(before) && isNested(written)) {
    return [...new Map([...pairs(before), ...pairs(written)])].map(([key, value]) => `${key}=${value}`).join(" ")
  }
  if (linesFile.test(path)) return [...new Map([...keyedLines(before), ...keyedLines(written)]).values()].join("\n")
  return written.trim()
}

/** The writes that turn `now` back into `was`. */
export const undoingWrites = (path: string, was: string, now: string): ReadonlyArray<string> => {
  if (toggleFile.test(path)) {
    const then = words(was)
    const current = words(now)
    const toggles = [
      ...current.filter((word) => !then.includes(word)).map((word) => `-${word}`),
      ...then.filter((word) => !current.includes(word)).map((word) => `+${word}`)
    ]
    return toggles.length === 0 ? [] : [toggles.join(" ")]
  }
  if (isNested(was)) {
    const current = pairs(now)
    return [...pairs(was)].filter(([key, value]) => current.get(key) !== value).map(([key, value]) => `${key}=${value}`)
  }
  if (linesFile.test(path)) {
    const current = keyedLines(now)
    return [...keyedLines(was)].filter(([tier, line]) => current.get(tier) !== line).map(([, line]) => line)
  }
  return [chosenWord.exec(was)?.[1] ?? was]
}
