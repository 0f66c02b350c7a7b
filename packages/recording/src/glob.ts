/** Globs over names of subjects, which are paths: `*` and `?` stay within a component, `**` does not. */
export const globMatcher = (glob: string): ((name: string) => boolean) => {
  const pattern = glob
    .replace(/^\/+|\/+$/g, "")
    .split(/(\*\*\/|\*\*|\*|\?)/)
    .map((part) =>
      part === "**/"
        ? "(?:.*/)?"
        : part === "**"
          ? ".*"
          : part === "*"
            ? "[^/]*"
            : part === "?"
              ? "[^/]"
              : part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
    )
    .join("")
  const matcher = new RegExp(`^${pattern}$`, "s")
  return (name) => matcher.test(name)
}
