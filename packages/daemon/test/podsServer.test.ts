/** Pods from a server: a fake of the API server on this machine, by HTTP and by TLS with a certificate of its own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer as createHttps } from "node:https"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import { KnownPods } from "../src/supervisor/KnownPods.ts"
import { checkConfig } from "../src/index.ts"
import { askPods } from "../src/supervisor/PodsServer.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const fixture = (name: string) => join(import.meta.dirname, "fixtures", name)
const tokenFile = join(scratch, "token")
writeFileSync(tokenFile, "secret\n")
const uid = "0a1b2c3d-1111-2222-3333-444455556666"

/** As the API server answers `GET /api/v1/pods?fieldSelector=spec.nodeName%3D…`, in shape. */
const podList = (name: string) => ({
  kind: "PodList",
  apiVersion: "v1",
  metadata: { resourceVersion: "41" },
  items: [
    {
      metadata: {
        name,
        namespace: "prod",
        uid,
        resourceVersion: "7",
        creationTimestamp: "2026-11-21T10:00:00Z",
        labels: { app: "web" },
        annotations: { "wmo.dev/policy": "none" },
        ownerReferences: [{ kind: "ReplicaSet", name: "web-5d", uid: "x", apiVersion: "apps/v1", controller: true }]
      },
      spec: { nodeName: "node-1", containers: [{ name: "nginx", image: "nginx", resources: { requests: { memory: "64Mi" } } }] },
      status: {
        phase: "Running",
        qosClass: "Burstable",
        containerStatuses: [{ name: "nginx", ready: true, restartCount: 0, containerID: `containerd://${"3f".repeat(32)}`, image: "nginx" }]
      }
    }
  ]
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void
const json =
  (value: unknown): Answer =>
  (_, response) =>
    void response.end(JSON.stringify(value))

/** Where it listens; closed with the scope. */
const serving = (answer: () => Answer, isSecure = false) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const listener: Answer = (request, response) => answer()(request, response)
      const keys = () => ({ key: readFileSync(fixture("apiServer.key.pem")), cert: readFileSync(fixture("apiServer.cert.pem")) })
      const server = isSecure ? createHttps(keys(), listener) : createHttp(listener)
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(
          Effect.succeed({
            url: `${isSecure ? "https" : "http"}://127.0.0.1:${port}`,
            close: () => void (server.closeAllConnections(), server.close())
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))

const source = (url: string, changes: { readonly tokenFile?: string; readonly caFile?: string } = {}) => ({
  url,
  tokenFile: changes.tokenFile,
  caFile: changes.caFile,
  everyMs: 5000
})

describe("asking a server for pods", () => {
  it.live("sends the token, fills in the environment, and checks the certificate", () =>
    Effect.gen(function* () {
      const seen: Array<readonly [string | undefined, string | undefined]> = []
      const url = yield* serving(
        () => (request, response) => {
          seen.push([request.url, request.headers.authorization])
          json(podList("web-1"))(request, response)
        },
        true
      )
      process.env["WMO_TEST_NODE"] = "node 1"
      const asked = `${url}/api/v1/pods?fieldSelector=spec.nodeName%3D\${WMO_TEST_NODE}`
      const pods = yield* askPods(source(asked, { tokenFile, caFile: fixture("apiServer.cert.pem") }))
      assert.deepStrictEqual(seen, [["/api/v1/pods?fieldSelector=spec.nodeName%3Dnode%201", "Bearer secret"]])
      assert.deepInclude(pods.get(uid), { name: "web-1", namespace: "prod", annotations: { "wmo.dev/policy": "none" } })
      assert.match(yield* Effect.flip(askPods(source(url))), /self.signed certificate/)
      assert.lengthOf(seen, 1)
      delete process.env["WMO_TEST_NODE"]
      assert.strictEqual(yield* Effect.flip(askPods(source(asked))), "the environment has no WMO_TEST_NODE, which `pods.url` names")
    }).pipe(Effect.scoped)
  )

  it.live.each([
    [
      "401",
      (_: unknown, response: ServerResponse): void => void response.writeHead(401, "Unauthorized").end("{}"),
      /^the server answered 401 Unauthorized$/
    ],
    [
      "a redirect",
      (_: unknown, response: ServerResponse): void => void response.writeHead(302, { location: "http://elsewhere/" }).end(),
      /answered 302/
    ],
    ["no JSON", (_: unknown, response: ServerResponse): void => void response.end("<html>"), /^it is not JSON/],
    ["a hang-up", (request: IncomingMessage): void => void request.socket.destroy(), /socket hang up|ECONNRESET/]
  ] as const)("%s is a phrase", ([, answer, phrase]) =>
    Effect.gen(function* () {
      const url = yield* serving(() => answer)
      assert.match(yield* Effect.flip(askPods(source(url))), phrase)
    }).pipe(Effect.scoped)
  )

  it.live("nobody there, and a token that is not, are phrases, too", () =>
    Effect.gen(function* () {
      assert.match(yield* Effect.flip(askPods(source("http://127.0.0.1:1/"))), /ECONNREFUSED/)
      assert.match(yield* Effect.flip(askPods(source("http://127.0.0.1:1/", { tokenFile: join(scratch, "nowhere") }))), /ENOENT.*nowhere/)
    })
  )
})

describe("the pods that are known", () => {
  it.effect("are asked for every so often; a failure leaves what was known, and is said until it is over", () =>
    Effect.gen(function* () {
      let answer: Answer = json(podList("web-1"))
      const url = yield* serving(() => answer)
      const pods = new KnownPods()
      const name = (): string | undefined => pods.pods.get(uid)?.name
      const from = source(url)
      yield* pods.look(from)
      assert.isTrue(yield* pods.ask())
      assert.deepStrictEqual([name(), pods.status], ["web-1", { source: url, known: 1, taken_ms: 0 }])
      assert.isFalse(yield* pods.ask())

      answer = (_, response) => void response.writeHead(503).end()
      yield* TestClock.adjust("5 seconds")
      yield* pods.look({ ...from })
      assert.isTrue(yield* pods.ask())
      assert.deepStrictEqual([name(), pods.status?.problem], ["web-1", "the server answered 503 Service Unavailable"])

      answer = json(podList("web-2"))
      yield* TestClock.adjust("5 seconds")
      yield* pods.ask()
      assert.deepStrictEqual([name(), pods.status], ["web-2", { source: url, known: 1, taken_ms: 10_000 }])

      yield* pods.look(undefined)
      assert.deepStrictEqual([name(), pods.status, yield* pods.ask()], [undefined, undefined, false])
    }).pipe(Effect.scoped)
  )
})

describe("where pods are asked for, in a configuration", () => {
  const check = (pods: string) => {
    const checked = checkConfig(`pods: ${pods}`, { file: "/etc/wmod.yaml", policies: [], stateDirectory: "/run/wmo" })
    return Result.isFailure(checked) ? checked.failure.lines.map((line) => line.replace("/etc/wmod.yaml:", "")) : checked.success.pods
  }

  it("a file, or a server", () => {
    assert.deepStrictEqual(check("pods.json"), { file: "/etc/pods.json" })
    assert.deepStrictEqual(check("{ url: 'https://${HOST}:10250/pods', token_file: token, ca_file: /ca.crt, interval: 1m }"), {
      url: "https://${HOST}:10250/pods",
      tokenFile: "/etc/token",
      caFile: "/ca.crt",
      everyMs: 60_000
    })
  })

  it.each([
    ["{ url: nowhere }", '1:14: url: "nowhere" is not a URL: write https://kubernetes.default.svc/api/v1/pods for example'],
    ["{ url: 'http://10.0.0.1/pods' }", "1:14: url: who answers for 10.0.0.1 is not known without encryption: write https://"],
    ["{ url: 'http://localhost/', interval: 10ms }", "1:45: interval: at least 1s"],
    ["{ interval: 10s }", '1:7: "url" is missing']
  ])("%s is refused", (pods, line) => assert.deepStrictEqual(check(pods), [line]))
})
