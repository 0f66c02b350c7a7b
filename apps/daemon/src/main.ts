#!/usr/bin/env node
/** The entry: `wmod --version` answers at once; everything else loads the daemon. */
import { setFlagsFromString } from "node:v8"
import { version } from "./version.ts"

/** `node:sqlite` without a flag. */
const hasWhatItTakes = (): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 13)
}

if (process.argv.length === 3 && process.argv[2] === "--version") {
  console.log(`wmod ${version}`)
} else if (hasWhatItTakes()) {
  // A compiler thread that waits for the garbage collector while the main thread waits for it, at exit: a hang (nodejs/node 54918).
  setFlagsFromString("--no-concurrent-sparkplug")
  // A daemon that rests most of the time: its heap grows by a seventh before it is collected, not to twice its size.
  setFlagsFromString("--heap-growing-percent=15")
  // And its young generation stays at the megabyte that it begins with: at 16 MB it would be a third of all that a thousand groups take.
  setFlagsFromString("--semi-space-growth-factor=1")
  // Pages that are a fifth empty are joined, not only those that are mostly so: what starting leaves behind goes.
  setFlagsFromString("--optimize-for-size")
  const { main } = await import("./daemon.ts")
  process.exit(await main(process.argv.slice(2)))
} else {
  console.error(`wmod: this is Node.js ${process.versions.node}; wmod needs 22.13 or later, 24 is best`)
  process.exit(3)
}
