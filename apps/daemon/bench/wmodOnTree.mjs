/**
 * Runs a bundle of wmod (`WMOD_BUNDLE`, a directory) on other kernel roots (`WMOD_ROOTS`, JSON) than the machine's. For the bench alone: what is written to
 * `lru_gen` and `memory.reclaim` goes nowhere, since files of a directory tree are no commands.
 */
import { setFlagsFromString } from "node:v8"
import fs, { readdirSync } from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { join } from "node:path"

const { openSync } = fs
fs.openSync = (path, flags, mode) =>
  openSync(/\/(?:lru_gen|memory\.reclaim)$/.test(path) && flags !== fs.constants.O_RDONLY ? "/dev/null" : path, flags, mode)
syncBuiltinESMExports()

// As main.ts does.
setFlagsFromString("--no-concurrent-sparkplug")
setFlagsFromString("--heap-growing-percent=15")
setFlagsFromString("--semi-space-growth-factor=1")
setFlagsFromString("--optimize-for-size")

const bundle = process.env.WMOD_BUNDLE
const chunk = readdirSync(bundle).find((name) => /^daemon-.*\.js$/.test(name))
const { main } = await import(join(bundle, chunk))
process.exit(await main(process.argv.slice(2), JSON.parse(process.env.WMOD_ROOTS)))
