/** What wmod answers over HTTP, to whom, and that nothing of it writes. */
import { assert, describe, it } from "@effect/vitest"
import { FakeKernel } from "@wmo/core/testing"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { request } from "node:http"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { DaemonStatus } from "../src/client.ts"
import { runDaemon } from "../src/index.ts"
import { loadAssets } from "../src/page/assets.ts"
import { isOurName } from "../src/server/hostNames.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}
type Ask = (path: string, options?: { readonly host?: string; readonly method?: string }) => Effect.Effect<Answer>

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { readonly port: number }
    server.close(() => resume(Effect.succeed(port)))
  })
})

let daemons = 0
const serving = <A, E>(config: string, use: (ask: Ask) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const kernel = new FakeKernel()
    kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
    kernel.fs.mkdirSync("/sys/fs/cgroup/app")
    const port = yield* freePort
    const ask: Ask = (path, { host = "localhost", method = "GET" } = {}) =>
      Effect.callback<Answer>((resume) => {
        const sent = request({ host: "127.0.0.1", port, path, method, headers: { host } }, (response) => {
          const parts: Array<Buffer> = []
          response
            .on("data", (part: Buffer) => parts.push(part))
            .on("end", () => {
              const { headers, statusCode: status = 0 } = response
              resume(Effect.succeed({ status, headers, text: Buffer.concat(parts).toString() }))
            })
        })
        sent.end()
      })
    const file = join(scratch, `wmod-${daemons}.yaml`)
    writeFileSync(
      file,
      `every: 20ms\nself: { cpu: off, memory: off }\nemergency_stop: off\nrules: [{ match: app, policy: slo }]\nserver: { http: "127.0.0.1:${port}"${config} }\n`
    )
    const options = { file, stateDirectory: join(scratch, `state-${daemons++}`), command: "wmod", version: "1.2.3" }
    return yield* runDaemon(options, () => use(ask)).pipe(Effect.provide(kernel.layer))
  })

describe("HTTP", () => {
  it.live("serves a page that is whole: each of its files is there, and the browser is told to take nothing from elsewhere", () =>
    serving("", (ask) =>
      Effect.gen(function* () {
        const { headers, status, text } = yield* ask("/")
        assert.strictEqual(status, 200)
        assert.match(String(headers["content-security-policy"]), /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'/)
        assert.notMatch(text, /<script>|<style|style=|onclick|https?:/)
        const seen = new Set<string>()
        const wanted = [...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!)
        assert.isAtLeast(wanted.length, 3)
        for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
          if (seen.has(path)) continue
          seen.add(path)
          const file = yield* ask(path)
          assert.strictEqual(file.status, 200, path)
          const imports = [...file.text.matchAll(/from "\.\/([\w.-]+)"/g)].map(([, name]) => `/page/${name}`)
          wanted.push(...imports)
        }
        assert.includeMembers([...seen], ["/page/main.js", "/page/page.css", "/page/uPlot.js", "/page/groupTable.js"])
        assert.strictEqual((yield* ask("/page/nothing.js")).status, 404)
        assert.strictEqual((yield* ask("/page/..%2f..%2fdaemon.ts")).status, 404)
      })
    )
  )

  it.live("says as JSON what `wmo status` and `wmo explain` say, with a quarter of an hour of the group", () =>
    serving("", (ask) =>
      Effect.gen(function* () {
        for (;;) {
          const { groups }: DaemonStatus = JSON.parse((yield* ask("/api/status")).text)
          if ((groups[0]?.ticks ?? 0) > 1) break
          yield* Effect.sleep(20)
        }
        const group = JSON.parse((yield* ask("/api/group?name=app")).text)
        assert.deepInclude(group.summary, { group: "app", policy: "slo", state: "acting", pressure_objective_percent: 0.1 })
        assert.isAbove(group.decisions.length, 0)
        assert.lengthOf(group.history.current_bytes, 180)
        assert.strictEqual(group.history.current_bytes.at(-1), group.summary.current_bytes)
        const unknown = yield* ask("/api/group?name=..%2F..")
        assert.deepStrictEqual([unknown.status, JSON.parse(unknown.text)], [404, { error: "no rule picks ../.." }])
      })
    )
  )

  it.live("answers those alone who ask by a name of this machine, and only reads", () =>
    serving(", names: [node7.example]", (ask) =>
      Effect.gen(function* () {
        for (const path of ["/", "/api/status", "/metrics", "/healthz"]) {
          assert.strictEqual((yield* ask(path, { host: "rebound.example:9273" })).status, 421, path)
          for (const host of ["127.0.0.1:9273", "[::1]:9273", "localhost", "node7.example"])
            assert.strictEqual((yield* ask(path, { host })).status, 200, `${path} by ${host}`)
          for (const method of ["POST", "PUT", "PATCH", "DELETE"])
            assert.strictEqual((yield* ask(path, { method })).status, 404, `${method} ${path}`)
        }
        assert.match((yield* ask("/", { host: "rebound.example" })).text, /`names` of `server`/)
      })
    )
  )
})

describe("names of this machine", () => {
  it.each([
    ["localhost", true],
    ["LOCALHOST:80", true],
    ["wmod.localhost:80", true],
    ["10.1.2.3:9273", true],
    ["[fe80::1]:80", true],
    ["Node7", true],
    ["node7.evil.example", false],
    ["localhost.evil.example", false],
    ["127.0.0.1.evil.example", false],
    ["evil.example:9273", false],
    ["evil@localhost", false],
    ["", false],
    [undefined, false]
  ])("%s: %s", (header, is) => assert.strictEqual(isOurName(header, ["node7"]), is))
})

describe("the page's files", () => {
  it("are what browsers read: no types, no packages, no names of sources", () => {
    const scripts = [...loadAssets()].filter(([path]) => path.endsWith(".js") && !path.endsWith("uPlot.js"))
    assert.isAbove(scripts.length, 5)
    for (const [path, { contentType, text }] of scripts) {
      assert.strictEqual(contentType, "text/javascript; charset=utf-8", path)
      assert.notMatch(text, /^import (?!.*from "\.\/[\w-]+\.js")/m, path)
      assert.notMatch(text, /\binterface [A-Z]|: ReadonlyArray</, path)
    }
  })
})
