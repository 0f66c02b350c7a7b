/** A whole wmod on the fake kernel, asked over its socket and by HTTP; its files are in a temporary directory. */
import { assert, describe, it } from "@effect/vitest"
import { FakeKernel } from "@wmo/core/testing"
import { Effect, Result } from "effect"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { connectDaemon, NoDaemon, Refused } from "../src/client.ts"
import { CannotListen, ConfigRejected, NotHere, runDaemon } from "../src/index.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const machine = (): FakeKernel => {
  const kernel = new FakeKernel()
  kernel.fs.writeSync(kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1), new TextEncoder().encode("+memory"))
  for (const name of ["app", "db"]) kernel.fs.mkdirSync(`/sys/fs/cgroup/${name}`)
  return kernel
}

/** A port that was free a moment ago. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { readonly port: number }
    server.close(() => resume(Effect.succeed(port)))
  })
})

const settingUp = (name: string, config: string) => {
  const file = join(scratch, `${name}.yaml`)
  writeFileSync(file, config)
  return { file, stateDirectory: join(scratch, `state-${name}`), command: "wmod", version: "1.2.3" }
}
const rules = "every: 20ms\nemergency_stop: off\nrules: [{ match: app, policy: senpai }]\n"

/** Writes this to the socket, and waits until the other side has closed it or a moment has passed. */
const babble = (socket: string, text: string) =>
  Effect.callback<void>((resume) => {
    const connection = connect(socket, () => connection.write(text))
    const done = setTimeout(() => connection.destroy(), 50)
    connection
      .on("error", () => undefined)
      .once("close", () => {
        clearTimeout(done)
        resume(Effect.void)
      })
  })

describe("wmod", () => {
  it.live("survives what is no question", () => {
    const options = settingUp("babble", `${rules}server: { http: off }`)
    const socket = join(options.stateDirectory, "wmod.sock")
    return runDaemon(options, () =>
      Effect.gen(function* () {
        const ours = yield* connectDaemon(socket)
        const texts = [
          "garbage\n",
          "{}\n",
          "[]\n[1]\nnull\n",
          '{"_tag":"Request","id":"1","tag":"Nothing","payload":null,"headers":[]}\n',
          '{"_tag":"Request","id":"1","tag":"Explain","payload":{"group":7},"headers":[]}\n',
          '{"_tag":"Request","id":"x"}\n',
          "\u0000\u0001\u0002",
          `{"_tag":"${"x".repeat(100_000)}`
        ]
        for (const text of texts) {
          yield* babble(socket, text)
          assert.strictEqual((yield* ours.Status()).mode, "running", text.slice(0, 40))
        }
        const theirs = yield* connectDaemon(socket)
        assert.strictEqual((yield* theirs.Status()).mode, "running")
      })
    ).pipe(Effect.scoped, Effect.provide(machine().layer))
  })

  it.live("answers on its socket, which is its owner's alone", () => {
    const options = settingUp("socket", `${rules}server: { http: off }`)
    const socket = join(options.stateDirectory, "wmod.sock")
    const kernel = machine()
    return Effect.gen(function* () {
      yield* runDaemon(options, () =>
        Effect.gen(function* () {
          assert.strictEqual(statSync(socket).mode & 0o777, 0o600)
          const client = yield* connectDaemon(socket)
          yield* Effect.sleep(100)
          const { config, groups, mode, version } = yield* client.Status()
          assert.deepStrictEqual({ config, mode, version }, { config: options.file, mode: "running", version: "1.2.3" })
          assert.deepInclude(groups[0], { group: "app", policy: "senpai", state: "acting", why: "rule at line 3" })
          assert.lengthOf(groups, 1)

          const { decisions, settings } = yield* client.Explain({ group: "/app" })
          assert.isAbove(decisions.length, 0)
          assert.notStrictEqual(decisions[0]!.reason, "")
          assert.hasAnyKeys(settings, ["interval"])
          const unknown = yield* Effect.flip(client.Explain({ group: "db" }))
          assert.deepStrictEqual(unknown instanceof Refused ? unknown.lines : [], [
            "no rule picks db; `wmo status` lists those that one does"
          ])

          assert.strictEqual((yield* client.Pause()).mode, "paused")
          assert.strictEqual((yield* client.Resume()).mode, "running")

          writeFileSync(options.file, `${rules}server: { http: off }\nnonsense: 1`)
          const refused = yield* Effect.flip(client.Reload())
          assert.match(refused.message, /socket\.yaml:5:1: there is no "nonsense" here/)
          writeFileSync(options.file, `${rules.replace("app", '"*"')}server: { http: off }`)
          assert.deepStrictEqual(
            (yield* client.Reload()).groups.map(({ group }) => group),
            ["app", "db"]
          )
        })
      )
      assert.strictEqual(kernel.fs.text("/sys/fs/cgroup/app/memory.high").trim(), "max")
      const gone = yield* Effect.flip(connectDaemon(socket))
      assert.instanceOf(gone, NoDaemon)
      assert.match(gone.message, /no wmod at .*there is no such socket; start wmod/)
    }).pipe(Effect.scoped, Effect.provide(kernel.layer))
  })

  it.live("serves /metrics and /healthz, and nothing that writes", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const address = `http://127.0.0.1:${port}`
      const ask = (path: string, method = "GET") =>
        Effect.promise(async () => {
          const response = await fetch(`${address}${path}`, { method })
          return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
        })
      const options = settingUp("http", `${rules}server: { http: "127.0.0.1:${port}" }`)
      yield* runDaemon(options, () =>
        Effect.gen(function* () {
          yield* Effect.sleep(100)
          assert.deepInclude(yield* ask("/healthz"), { status: 200, text: "ok\n" })
          const { status, text, type } = yield* ask("/metrics")
          assert.deepStrictEqual([status, type], [200, "text/plain; version=0.0.4; charset=utf-8"])
          assert.match(text, /^# TYPE wmo_group_memory_current_bytes gauge\nwmo_group_memory_current_bytes\{group="app"\} \d+$/m)
          assert.match(text, /^wmo_groups\{state="acting"\} 1$/m)
          assert.match(text, /^wmo_mode\{mode="running"\} 1$/m)
          for (const method of ["POST", "PUT", "DELETE"]) assert.isAtLeast((yield* ask("/metrics", method)).status, 400)
          assert.strictEqual((yield* ask("/pause")).status, 404)
          const other = settingUp("http2", `${rules}server: { http: "127.0.0.1:${port}" }`)
          const taken = yield* Effect.flip(runDaemon(other, () => Effect.void))
          assert.instanceOf(taken, CannotListen)
          assert.match((taken as CannotListen).message, /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/)
        })
      )
    }).pipe(Effect.provide(machine().layer))
  )

  it.live("does not begin with a bad configuration, nor where there is no memory controller", () =>
    Effect.gen(function* () {
      const bad = yield* Effect.flip(runDaemon(settingUp("bad", "rules: 1"), () => Effect.void))
      assert.instanceOf(bad, ConfigRejected)
      const kernel = new FakeKernel()
      kernel.fs.file("/proc/self/mountinfo", "", 0o444)
      const answer = yield* Effect.result(
        Effect.provide(
          runDaemon(settingUp("nowhere", ""), () => Effect.void),
          kernel.layer
        )
      )
      assert.instanceOf(Result.isFailure(answer) ? answer.failure : undefined, NotHere)
    }).pipe(Effect.provide(machine().layer))
  )
})
