/** Prints `N passed, N failed[, N skipped]` as the last line of a vitest run, and names what was skipped: nothing skips silently. */
import type { Reporter, TestCase, TestModule } from "vitest/node"

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>) {
    const tests: Array<TestCase> = modules.flatMap((module) => [...module.children.allTests()])
    const count = (state: string) => tests.filter((test) => test.result().state === state).length
    const broken = modules.filter((module) => module.errors().length > 0).length
    const skipped = tests.filter((test) => test.result().state === "skipped")
    for (const test of skipped) console.log(`skipped: ${test.fullName}`)
    const failed = count("failed") + broken + unhandled.length
    console.log(`${count("passed")} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`)
  }
}
