/**
 * `/metrics`, `/healthz`, the page and what it asks for, read-only: nothing but GET is understood. Listens on loopback unless told otherwise, and
 * answers those alone who ask by a name of this machine. Does not know who asks.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import { hostname } from "node:os"
import { loadAssets } from "../page/assets.ts"
import type { DaemonStatus, Explanation, History } from "../protocol/Status.ts"
import { isOurName } from "./hostNames.ts"
import type { Monitored } from "../supervisor/Supervisor.ts"
import { renderMetrics, renderMonitored } from "./metrics.ts"

/** What can be asked. */
export interface Answers {
  readonly status: Effect.Effect<DaemonStatus>
  readonly explain: (group: string) => Effect.Effect<Explanation | undefined>
  readonly history: (group: string) => Effect.Effect<History | undefined>
  readonly monitored: Effect.Effect<ReadonlyArray<Monitored>>
}

export interface Address {
  readonly host: string
  readonly port: number
  /** By which it may be asked beside `localhost`, addresses, `host` and the machine's own name. */
  readonly names: ReadonlyArray<string>
}

/** The page takes everything from here, and nothing may take it into a frame. */
const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store"
}

const withHeaders = HttpRouter.middleware(Effect.map(HttpServerResponse.setHeaders(headers)), { global: true })

const refused = HttpServerResponse.text(
  "This is not a name of this machine. Ask by its address or by localhost, or put the name into `names` of `server` in wmod's configuration.\n",
  { status: 421 }
)

const guarded = (names: ReadonlyArray<string>) =>
  HttpRouter.middleware(
    (answer) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        isOurName(request.headers["host"], names) ? answer : Effect.succeed(refused)
      ),
    { global: true }
  )

/** The page's files are looked for when somebody asks for the first one: most wmods are only ever asked for metrics. */
const pageRoutes = Effect.map(Effect.cached(Effect.sync(loadAssets)), (assets) => {
  const answer = ({ url }: { readonly url: string }) =>
    Effect.map(assets, (all) => {
      const asset = all.get(url.split("?")[0]!)
      return asset === undefined
        ? HttpServerResponse.text("There is no such file.\n", { status: 404 })
        : HttpServerResponse.text(asset.text, { contentType: asset.contentType })
    })
  return Layer.mergeAll(HttpRouter.add("GET", "/", answer), HttpRouter.add("GET", "/page/:file", answer))
})

const groupAsked = (url: string): string => new URL(url, "http://localhost").searchParams.get("name") ?? ""

const metricsTexts = function* (status: DaemonStatus, monitored: ReadonlyArray<Monitored>): Generator<string> {
  yield* renderMetrics(status)
  yield renderMonitored(monitored)
}

const routes = ({ explain, history, monitored, status }: Answers) =>
  Layer.mergeAll(
    HttpRouter.add(
      "GET",
      "/metrics",
      Effect.map(Effect.all([status, monitored]), ([now, samples]) =>
        HttpServerResponse.stream(Stream.encodeText(Stream.fromIterable(metricsTexts(now, samples), { chunkSize: 1 })), {
          contentType: "text/plain; version=0.0.4; charset=utf-8"
        })
      )
    ),
    HttpRouter.add("GET", "/healthz", HttpServerResponse.text("ok\n")),
    HttpRouter.add("GET", "/api/status", Effect.map(status, HttpServerResponse.jsonUnsafe)),
    HttpRouter.add("GET", "/api/group", (request) => {
      const group = groupAsked(request.url)
      return Effect.map(Effect.zip(explain(group), history(group)), ([explanation, past]) =>
        explanation === undefined
          ? HttpServerResponse.jsonUnsafe({ error: `no rule picks ${group}` }, { status: 404 })
          : HttpServerResponse.jsonUnsafe({ ...explanation, history: past })
      )
    }),
    Layer.unwrap(pageRoutes)
  )

/** Any local user may connect: neither many nor slow connections may cost more than these. */
const connectionsAtMost = 256
const requestMs = 10_000

const listener = () => {
  const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs, connectionsCheckingInterval: requestMs / 2 })
  server.maxConnections = connectionsAtMost
  return server
}

/** Listens for as long as its scope lives; fails where the address cannot be had. */
export const httpServer = (answers: Answers, { host, names, port }: Address) =>
  HttpRouter.serve(Layer.mergeAll(routes(answers), guarded([hostname(), host, ...names]), withHeaders), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(listener, { host, port, gracefulShutdownTimeout: 100 })))
