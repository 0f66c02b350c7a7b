#!/usr/bin/env node
/** The entry: `wmo --version` answers at once; everything else loads the command line. */
import { setFlagsFromString } from "node:v8"
import { version } from "./version.ts"

/** `node:sqlite` without a flag. */
const hasWhatItTakes = (): boolean => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 13)
}

if (process.argv.length === 3 && process.argv[2] === "--version") {
  console.log(`wmo ${version}`)
} else if (hasWhatItTakes()) {
  // A compiler thread that waits for the garbage collector while the main thread waits for it, at exit: a hang (nodejs/node 54918).
  setFlagsFromString("--no-concurrent-sparkplug")
  const { keepCompiledCode } = await import("./compileCache.ts")
  keepCompiledCode()
  const { main } = await import("./cli.ts")
  await main(process.argv.slice(2))
} else {
  console.error(`wmo: this is Node.js ${process.versions.node}; wmo needs 22.13 or later, 24 is best`)
  process.exit(3)
}
