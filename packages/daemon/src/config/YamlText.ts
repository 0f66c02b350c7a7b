/**
 * A YAML document (JSON is YAML, too) as plain values, and where in the text each of them stands.
 * Does not know what the values mean. Tags, merges and several documents in a file are not supported.
 */
import { Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml"
import type { ConfigProblem } from "./ConfigProblem.ts"

export type ValuePath = ReadonlyArray<PropertyKey>

export interface YamlText {
  /** Undefined where the text is no YAML: see `problems`. */
  readonly value: unknown
  readonly problems: ReadonlyArray<ConfigProblem>
  /** A problem at the value at `path`, at its key (`key`), or at what is nearest above where there is none. */
  readonly problem: (path: ValuePath, what: string, at?: "key" | "value" | undefined) => ConfigProblem
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim()

/** The deepest node on the way to `path`; for a map's entry the value or its key. */
const nodeAt = (document: Document.Parsed, path: ValuePath, at: "key" | "value"): Node | null => {
  let node: Node | null = document.contents
  for (const [depth, part] of path.entries()) {
    const parent: unknown = isAlias(node) ? node.resolve(document) : node
    let next: unknown
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
      next = depth === path.length - 1 && at === "key" ? pair?.key : (pair?.value ?? pair?.key)
    } else if (isSeq(parent)) next = parent.items[Number(part)]
    if (next === undefined || next === null) return node
    node = next as Node
  }
  return node
}

export const readYaml = (text: string): YamlText => {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true, stringKeys: true })
  const problemAt = (offset: number, what: string): ConfigProblem => {
    const { col, line } = lineCounter.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col), what: oneLine(what) }
  }
  const problem: YamlText["problem"] = (path, what, at = "value") => problemAt(nodeAt(document, path, at)?.range?.[0] ?? 0, what)
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) => problemAt(pos[0], `not YAML: ${message}`))
  if (problems.length > 0) return { value: undefined, problems, problem }
  try {
    return { value: document.toJS(), problems, problem }
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    return { value: undefined, problems: [problemAt(0, `not YAML that can be used: ${what}`)], problem }
  }
}
