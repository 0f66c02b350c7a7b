/** `wmo status` and its kind, against a whole wmod on the fake kernel in this process. */
import { assert, describe, it } from "@effect/vitest"
import { runDaemon } from "@wmo/daemon"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { daemonDecisions } from "../src/tui/top/daemonDecisions.ts"
import { fails, kernelWithApp, scratch, wmo } from "./harness.ts"

const file = join(scratch, "wmod.yaml")
const daemonState = join(scratch, "wmod-state")
const socket = ["--socket", join(daemonState, "wmod.sock")]
const rules = "every: 20ms\nemergency_stop: off\nserver: { http: off }\nrules: [{ match: app, policy: senpai, floor: 1M }]\n"

describe("asking wmod", () => {
  it.live("status, explain, pause, resume, reload", () => {
    const kernel = kernelWithApp()
    writeFileSync(file, rules)
    const ask = (command: string) => wmo([...command.split(" "), ...socket])
    return runDaemon({ file, stateDirectory: daemonState, command: "wmod", version: "9.9.9" }, () =>
      Effect.gen(function* () {
        yield* Effect.sleep(100)
        const { code, stderr, stdout } = yield* ask("status")
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        assert.match(stdout, /^wmod 9\.9\.9, pid \d+, up /)
        assert.match(stdout, /app +senpai +acting +\S+ MiB/)
        const json = JSON.parse((yield* ask("status --json")).stdout)
        assert.deepInclude(json.groups[0], { group: "app", policy: "senpai", state: "acting" })

        const explained = yield* ask("explain /sys/fs/cgroup/app")
        assert.match(
          explained.stdout,
          /^app: acting, rule at line 4\npolicy senpai: .*interval=\S+.*\nfloor 1\.00 MiB; at most 128 MiB a tick/
        )
        assert.match(explained.stdout, /^\d\d:\d\d:\d\d {2}\S/m)
        assert.isAbove(JSON.parse((yield* ask("explain app --json")).stdout).decisions.length, 0)
        const unknown = yield* ask("explain nowhere")
        assert.deepStrictEqual(
          [unknown.code, unknown.complaints],
          [1, ["wmo: no rule picks nowhere; `wmo status` lists those that one does"]]
        )

        const decided = yield* daemonDecisions(daemonState)
        assert.strictEqual(decided?.pid, process.pid)
        assert.deepInclude(decided?.byGroup.get("app"), { policy: "senpai", pid: process.pid })
        assert.isNotEmpty(decided?.byGroup.get("app")?.reason)
        assert.isUndefined(yield* daemonDecisions(join(scratch, "nowhere")))

        assert.match((yield* ask("pause")).stdout, /^paused: everything is put back/)
        assert.strictEqual(kernel.fs.text("/sys/fs/cgroup/app/memory.high").trim(), "max")
        assert.match((yield* ask("status")).stdout, /paused: `wmo resume` goes on/)
        assert.strictEqual((yield* ask("resume")).stdout, "running\n")

        const set = yield* ask("set app interval=40ms --for 10m")
        assert.deepStrictEqual([set.code, set.stderr], [0, ""])
        assert.match(
          set.stdout,
          /^app: acting, rule at line 4\npolicy senpai: .*interval=40ms.*\n.*\n.*\nset by hand: interval=40ms; until \d\d:\d\d:\d\d\n$/
        )
        assert.match((yield* ask("status")).stdout, /app +senpai \(set\) +acting/)
        const wrong = yield* ask("set app intervall=1s")
        assert.deepStrictEqual(
          [wrong.code, wrong.complaints],
          [1, ['wmo: policy senpai has no setting "intervall"; did you mean interval?']]
        )
        yield* fails(["set", "app", "interval", ...socket], 2, /"interval" is not KEY=VALUE/)
        yield* fails(["set", "app", "--unset", "interval=1s", ...socket], 2, /--unset goes with nothing else/)
        assert.notMatch((yield* ask("set app --unset")).stdout, /set by hand/)

        writeFileSync(file, `${rules}evry: 1s\nrlues: []`)
        const refused = yield* ask("reload")
        assert.strictEqual(refused.code, 1)
        assert.match(
          refused.stderr,
          /wmod\.yaml:5:1: there is no "evry" here; did you mean every\?\n.*wmod\.yaml:6:1: .*did you mean rules\?/
        )
        writeFileSync(file, rules)
        assert.match((yield* ask("reload --json")).stdout, /"reloads": 1/)
      })
    ).pipe(Effect.provide(kernel.layer))
  })

  it.live("a wmod of another version is one line, too", () =>
    Effect.gen(function* () {
      const path = join(scratch, "other.sock")
      const answer = (requestId: unknown) => JSON.stringify({ _tag: "Exit", requestId, exit: { _tag: "Success", value: { answer: 42 } } })
      yield* Effect.acquireRelease(
        Effect.sync(() =>
          createServer((connection) =>
            connection.on("data", (data: Buffer) => {
              for (const line of data.toString().trim().split("\n")) {
                const { _tag, id } = JSON.parse(line)
                if (_tag === "Request") connection.write(`${answer(id)}\n`)
              }
            })
          ).listen(path)
        ),
        (server) => Effect.sync(() => server.close())
      )
      yield* fails(["status", "--socket", path], 1, /^wmo: wmod's answer is not understood: it is of another version than this wmo/)
    })
  )

  it.effect("where none runs it is one line that says what to do", () =>
    fails(
      ["status", "--socket", join(scratch, "nowhere.sock")],
      1,
      /^wmo: no wmod at .*nowhere\.sock: there is no such socket; start wmod, or name its socket/
    )
  )
})
