/** The guest's campaign as a program: `node campaign.ts FAULTS SEED [KIND]`. Counts by kind, failures with what repeats them; exit code 1 if one was not survived. */
import { runGuestCampaign } from "./runGuestCampaign.ts"

const [faults = "60", seed = "1", only = ""] = process.argv.slice(2)
const results = await runGuestCampaign({
  faults: Number(faults),
  seed: Number(seed),
  only,
  directory: "/tmp/wmod-faults",
  onResult: ({ kind, problems, restarts, seconds, seed: own }) => {
    const end = problems.length === 0 ? "survived" : "NOT SURVIVED"
    console.log(`${end}: ${kind}, seed ${own} (${seconds.toFixed(1)} s, started again ${restarts} times)`)
    for (const problem of problems) console.log(`  ${problem}`)
    if (problems.length > 0) console.log(`  again: npx -y pnpm@12 campaign --vm --faults 1 --seed ${own} --only "${kind}"`)
  }
})
for (const kind of new Set(results.map((result) => result.kind))) {
  const those = results.filter((result) => result.kind === kind)
  console.log(`${`${those.filter(({ problems }) => problems.length === 0).length} of ${those.length}`.padStart(9)}  ${kind}`)
}
const survived = results.filter(({ problems }) => problems.length === 0).length
console.log(`survived ${survived} of ${results.length} faults`)
process.exit(survived === results.length && results.length > 0 ? 0 : 1)
