/** Which groups of a tree are watched: include and exclude globs over their names below the mount (picomatch: `*`, `**`, `{a,b}`, `[x]`). */
import picomatch from "picomatch"

export interface GroupChoice {
  /** Default: all groups. */
  readonly include?: ReadonlyArray<string> | undefined
  /** Taken off what is included. */
  readonly exclude?: ReadonlyArray<string> | undefined
}

const plain = (glob: string): string => glob.replace(/^\/+|\/+$/g, "")

const matcher = (globs: ReadonlyArray<string>): ((name: string) => boolean) => {
  const patterns = globs.map(plain)
  // The root's name is empty, which no pattern matches by itself.
  const hasRoot = patterns.some((pattern) => pattern === "" || pattern === "**")
  const matches = picomatch(
    patterns.filter((pattern) => pattern !== ""),
    { dot: true }
  )
  return (name) => (name === "" ? hasRoot : matches(name))
}

/** `/` is the root group, `a/*` the groups right below `a`, `a/**` also `a` itself and all below. */
export const groupMatcher = ({ exclude = [], include = ["**"] }: GroupChoice): ((name: string) => boolean) => {
  const isIncluded = matcher(include)
  const isExcluded = matcher(exclude)
  return (name) => isIncluded(name) && !isExcluded(name)
}

/** The part of the tree in which all of what is included is: what must be watched. */
export const commonRoot = (include: ReadonlyArray<string> | undefined): string => {
  if (include === undefined || include.length === 0) return ""
  const bases = include.map((glob) => {
    const { base, glob: rest } = picomatch.scan(plain(glob))
    return rest === "" ? plain(glob).split("/") : base.split("/").filter(Boolean)
  })
  const [first = []] = bases
  let length = 0
  while (length < first.length && bases.every((base) => base[length] === first[length])) length++
  return first.slice(0, length).join("/")
}
