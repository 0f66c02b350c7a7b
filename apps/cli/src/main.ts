#!/usr/bin/env node
/** The entry: `wmo --version` answers at once; everything else loads the command line. */
import { version } from "./version.ts"

if (process.argv.length === 3 && process.argv[2] === "--version") {
  console.log(`wmo ${version}`)
} else {
  const { main } = await import("./cli.ts")
  await main(process.argv.slice(2))
}
