import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: "unit", include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts"], exclude: ["**/*.kernel.test.ts"] } }
    ],
    testTimeout: 30_000,
    reporters: ["default", "./tooling/TallyReporter.ts"]
  }
})
