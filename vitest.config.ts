/**
 * Three suites. `unit` runs anywhere, without root. `guest` runs on a real kernel, as root, inside the VM. `vm` runs on the host and boots
 * VMs. `vitest run` is the first; `tooling/test-kernel.ts` runs the others.
 */
import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

const tests = (kind: string) => [`packages/*/test/**/*${kind}.test.ts`, `apps/*/test/**/*${kind}.test.ts`, `tooling/test/*${kind}.test.ts`]
const suite = process.env["WMO_TEST_SUITE"] ?? "unit"

export default defineConfig({
  test: {
    name: suite,
    include: suite === "unit" ? tests("") : tests(`.${suite}`),
    exclude: suite === "unit" ? ["**/*.{guest,vm}.test.ts", "**/node_modules/**"] : ["**/node_modules/**"],
    fileParallelism: suite === "unit",
    // Vitest leaves one CPU alone, which on a machine of two is half of it.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: suite === "unit" ? 30_000 : 180_000,
    hookTimeout: suite === "unit" ? 30_000 : 180_000,
    // Where two thousand tests share a machine with builds, one may be late. It is named; what fails twice has failed.
    retry: suite === "unit" && process.env["CI"] !== undefined ? 1 : 0,
    reporters: ["default", "./tooling/TallyReporter.ts"]
  }
})
