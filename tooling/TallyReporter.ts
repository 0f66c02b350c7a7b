/**
 * Prints `N passed, N failed[, N skipped]` as the last line of a vitest run, after the names of what was skipped, what passed only at a second
 * try, and the files with failures: nothing is passed over in silence.
 */
import type { Reporter, TestCase, TestModule } from "vitest/node"

/** How a file with failures is named, for `test-kernel.ts` to read. */
export const failedIn = "failures in "

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>) {
    const tests: Array<TestCase> = modules.flatMap((module) => [...module.children.allTests()])
    const count = (state: string) => tests.filter((test) => test.result().state === state).length
    const broken = modules.filter((module) => module.errors().length > 0)
    const skipped = tests.filter((test) => test.result().state === "skipped")
    const unsteady = tests.filter((test) => test.result().state === "passed" && test.diagnostic()?.flaky === true)
    const failing = modules.filter((module) => module.state() === "failed")
    for (const test of skipped) console.log(`skipped: ${test.fullName}`)
    for (const test of unsteady) console.log(`passed only at the second try: ${test.fullName}`)
    for (const module of failing) console.log(`${failedIn}${module.relativeModuleId}`)
    const failed = count("failed") + broken.length + unhandled.length
    console.log(`${count("passed")} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`)
  }
}
