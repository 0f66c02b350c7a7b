/** The soak as a program of the guest: `node soak.ts MINUTES SEED`. Prints the figures, then what was wrong; exit code 1 if anything was. */
import { freshDirectory, runSoak } from "./runSoak.ts"

const [minutes = "10", seed = "1"] = process.argv.slice(2)
const { lines, problems } = await runSoak({ minutes: Number(minutes), seed: Number(seed), directory: freshDirectory("/tmp/wmod-soak") })
for (const line of lines) console.log(line)
for (const problem of problems) console.log(`WRONG: ${problem}`)
console.log(problems.length === 0 ? "soak: no leak, no error, nothing left" : `soak: ${problems.length} things are wrong (seed ${seed})`)
process.exit(problems.length === 0 ? 0 : 1)
