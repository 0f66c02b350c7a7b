/** `deploy/grafana` and `deploy/prometheus`: every metric that they name is one that a wmod exports, and every label one that the metric has. */
import { assert, describe, it } from "@effect/vitest"
import { FakeKernel } from "@wmo/core/testing"
import { Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { parse } from "yaml"
import { runDaemon } from "../src/index.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const deploy = join(import.meta.dirname, "../../../deploy")

interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly id: number
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets?: ReadonlyArray<{ readonly expr: string }>
  }>
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string; readonly definition?: string }> }
  readonly annotations: { readonly list: ReadonlyArray<{ readonly expr: string }> }
}
interface Rules {
  readonly groups: ReadonlyArray<{
    readonly rules: ReadonlyArray<{
      readonly alert: string
      readonly expr: string
      readonly labels: { readonly severity: string }
      readonly annotations: { readonly summary: string; readonly description: string }
    }>
  }>
}

const dashboard: Dashboard = JSON.parse(readFileSync(join(deploy, "grafana/wmo.json"), "utf8"))
const rules = (parse(readFileSync(join(deploy, "prometheus/wmo.rules.yml"), "utf8")) as Rules).groups.flatMap((group) => group.rules)
const queries: ReadonlyArray<string> = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.flatMap(({ definition }) => definition ?? []),
  ...dashboard.annotations.list.map(({ expr }) => expr),
  ...rules.map(({ expr }) => expr)
]

/** Metrics by name, each with its labels, as a wmod says them that records and has looked at a group. */
const exported = Effect.gen(function* () {
  const kernel = new FakeKernel()
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  kernel.fs.mkdirSync("/sys/fs/cgroup/app")
  const port = yield* Effect.callback<number>((resume) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address() as { readonly port: number }
      server.close(() => resume(Effect.succeed(address.port)))
    })
  })
  const file = join(scratch, "wmod.yaml")
  const rule = "{ match: app, policy: slo }"
  writeFileSync(
    file,
    `every: 20ms\nrules: [${rule}]\nrecording: { directory: ${join(scratch, "recording")} }\nserver: { http: "127.0.0.1:${port}" }\n`
  )
  const options = { file, stateDirectory: join(scratch, "state"), command: "wmod", version: "1" }
  const text = yield* runDaemon(options, () =>
    Effect.gen(function* () {
      for (;;) {
        const text = yield* Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
        if (text.includes("wmo_group_actions_total{")) return text
        yield* Effect.sleep(20)
      }
    })
  ).pipe(Effect.provide(kernel.layer))
  const metrics = new Map<string, ReadonlySet<string>>()
  for (const [, name = "", labels = ""] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm))
    metrics.set(name, new Set([...labels.matchAll(/([a-z]+)="/g)].map(([, label]) => label!)))
  return metrics
})

/** What Prometheus adds to all. */
const added = new Set(["job", "instance"])

describe("the dashboard and the alerts", () => {
  it.live("name metrics and labels that wmod exports", () =>
    Effect.gen(function* () {
      const metrics = yield* exported
      const uses = queries.flatMap((query) => [...query.matchAll(/\b((?:wmo|process)_[a-z_]+)\b(?:\{([^}]*)\})?/g)])
      assert.isAbove(uses.length, queries.length)
      for (const [, name = "", matchers = ""] of uses) {
        const labels = metrics.get(name)
        assert.isDefined(labels, `${name} is not exported; there are ${[...metrics.keys()].join(", ")}`)
        for (const [, label = ""] of matchers.matchAll(/([a-z]+)\s*(?:=~|!=|!~|=)/g))
          assert.isTrue(labels!.has(label) || added.has(label), `${name} has no label ${label}`)
      }
    })
  )

  it("say what an alert means and what to do", () => {
    assert.isAtLeast(rules.length, 8)
    for (const { alert, annotations, labels } of rules) {
      assert.match(alert, /^Wmod?[A-Z]\w+$/)
      assert.include(["critical", "warning", "info"], labels.severity, alert)
      assert.isAbove(annotations.summary.length, 10, alert)
      assert.isAbove(annotations.description.length, 20, alert)
    }
  })

  it("have panels that do not lie on each other, and no two of one id", () => {
    const { panels } = dashboard
    assert.lengthOf(new Set(panels.map(({ id }) => id)), panels.length)
    for (const [i, a] of panels.entries()) {
      assert.isAtMost(a.gridPos.x + a.gridPos.w, 24, a.title)
      for (const b of panels.slice(i + 1)) {
        const isApart =
          a.gridPos.x + a.gridPos.w <= b.gridPos.x ||
          b.gridPos.x + b.gridPos.w <= a.gridPos.x ||
          a.gridPos.y + a.gridPos.h <= b.gridPos.y ||
          b.gridPos.y + b.gridPos.h <= a.gridPos.y
        assert.isTrue(isApart, `${a.title} lies on ${b.title}`)
      }
    }
  })
})
