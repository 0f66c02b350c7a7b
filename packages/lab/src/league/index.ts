/** The VM league: policies against each other on the real kernel. docs: packages/lab/LEAGUE.md. */
export { baseline, isDamon, knownEntries, type LeagueEntry, parseEntry } from "./entries.ts"
export { runSlots } from "./guest/runSlots.ts"
export { type LeagueReport, readReport, reportMarkdown, reportText } from "./leagueReport.ts"
export { type BootOrder, type LeaguePlan } from "./plan.ts"
export { requirePrograms } from "./programs.ts"
export { requireGuest } from "./requireGuest.ts"
export { isOpen, type LeagueProgress, resumeLeague, runLeague, startLeague } from "./runLeague.ts"
export { knownWorkloads, type LeagueWorkload, parseWorkload, workloadWords } from "./workloads.ts"
