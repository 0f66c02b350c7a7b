/**
 * Turns what the Schema says of a configuration into problems: one a value, at its place, with the nearest valid name for a key that does not exist.
 */
import { nearest } from "@wmo/policies"
import { type SchemaAST, SchemaIssue } from "effect"
import type { ValuePath } from "./YamlText.ts"

const keysOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []

/** "did you mean X?", or all there are. */
export const suggestion = (name: string, names: ReadonlyArray<string>): string => {
  const near = nearest(name, names)
  return near === undefined ? `there are ${names.join(", ")}` : `did you mean ${near}?`
}

const leafText = SchemaIssue.makeFormatterStandardSchemaV1()
/** Of the library's sentences; ours are as they should be. */
const words = (message: string): string =>
  message.startsWith("Expected ") ? message.replace("E", "e").replaceAll('"', "").replaceAll(" | ", " or ") : message

const expectedOf = (issue: SchemaIssue.Issue): string => {
  const [first] = leafText(issue).issues
  return first === undefined ? "this is not a value that can be used" : words(first.message)
}

export interface ShapeProblem {
  readonly path: ValuePath
  readonly what: string
  readonly at?: "key" | undefined
  /** There is nothing at `path`. */
  readonly isMissing?: boolean
}

/** `path` grows on the way down; several answers of a union are one problem. */
export const shapeProblems = (issue: SchemaIssue.Issue, path: ValuePath = []): ReadonlyArray<ShapeProblem> => {
  const name = path.findLast((part) => typeof part === "string")
  const said = (): ReadonlyArray<ShapeProblem> => [{ path, what: `${name === undefined ? "" : `${name}: `}${expectedOf(issue)}` }]
  switch (issue._tag) {
    case "Pointer":
      return shapeProblems(issue.issue, [...path, ...issue.path])
    case "Composite":
      return issue.issues.flatMap((part) => shapeProblems(part, path))
    case "AnyOf": {
      // What is wrong within the alternative that was meant says more than a list of them.
      const within = issue.issues.flatMap((part) => shapeProblems(part, path)).filter((problem) => problem.path.length > path.length)
      return within.length > 0 ? within : said()
    }
    case "Encoding":
      return shapeProblems(issue.issue, path)
    case "UnexpectedKey":
      return [{ path, what: `there is no "${String(path.at(-1))}" here; ${suggestion(String(path.at(-1)), keysOf(issue.ast))}`, at: "key" }]
    case "MissingKey":
      return [{ path, what: `"${String(path.at(-1))}" is missing`, isMissing: true }]
    default:
      return said()
  }
}
