/**
 * `/metrics` and `/healthz`, read-only: what is not a GET of one of the two is refused. Does not know who asks: it listens on loopback unless told
 * otherwise.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import type { DaemonStatus } from "../protocol/Status.ts"
import { renderMetrics } from "./metrics.ts"

const routes = (status: Effect.Effect<DaemonStatus>) =>
  Layer.mergeAll(
    HttpRouter.add(
      "GET",
      "/metrics",
      Effect.map(status, (now) => HttpServerResponse.text(renderMetrics(now), { contentType: "text/plain; version=0.0.4; charset=utf-8" }))
    ),
    HttpRouter.add("GET", "/healthz", HttpServerResponse.text("ok\n"))
  )

/** Listens for as long as its scope lives; fails where the address cannot be had. */
export const httpServer = (status: Effect.Effect<DaemonStatus>, { host, port }: { readonly host: string; readonly port: number }) =>
  HttpRouter.serve(routes(status), { disableListenLog: true, disableLogger: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => createServer({ requestTimeout: 10_000 }), { host, port, gracefulShutdownTimeout: 100 }))
  )
