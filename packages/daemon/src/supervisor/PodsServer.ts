/**
 * The list of pods from a server: the API server's or the kubelet's, by GET with a bearer token over HTTPS. Every failure leaves what was known before, and is
 * a phrase. Follows no redirect, watches nothing: one request, one list. The token is read for each, since it is changed under way.
 */
import { Effect, Result } from "effect"
import { readFileSync } from "node:fs"
import { request as httpRequest } from "node:http"
import { request as httpsRequest } from "node:https"
import type { PodsSource } from "../config/Config.ts"
import { type Pods, readPods } from "../containers/pods.ts"

export type PodsServer = Extract<PodsSource, { readonly url: string }>

const timeoutMs = 10_000
/** A node has some hundred pods of some 20 KiB. */
const mostBytes = 64 * 2 ** 20

const expand = (url: string): string =>
  url.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = process.env[name]
    if (value === undefined || value === "") throw new Error(`the environment has no ${name}, which \`pods.url\` names`)
    return encodeURIComponent(value)
  })

const get = ({ caFile, tokenFile, url: given }: PodsServer, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const url = new URL(expand(given))
    const token = tokenFile === undefined ? undefined : readFileSync(tokenFile, "utf8").trim()
    const headers = { accept: "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
    const ca = caFile === undefined ? undefined : readFileSync(caFile, "utf8")
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(
      url,
      { headers, signal, timeout: timeoutMs, agent: false, ...(ca === undefined ? {} : { ca }) },
      (response) => {
        const parts: Array<Buffer> = []
        let bytes = 0
        response.on("data", (part: Buffer) => {
          bytes += part.length
          if (bytes > mostBytes) request.destroy(new Error(`the answer is larger than ${mostBytes / 2 ** 20} MiB`))
          else parts.push(part)
        })
        response.on("error", reject)
        response.on("end", () =>
          response.statusCode === 200
            ? resolve(Buffer.concat(parts).toString("utf8"))
            : reject(new Error(`the server answered ${response.statusCode} ${response.statusMessage ?? ""}`.trim()))
        )
      }
    )
    request.on("timeout", () => request.destroy(new Error(`the server said nothing for ${timeoutMs / 1000} s`)))
    request.on("error", reject)
    request.end()
  })

const messageOf = (cause: unknown): string => {
  const { code, message } = cause as NodeJS.ErrnoException
  return (message || code || String(cause)).split("\n")[0]!
}

/** Asks once. Fails with a phrase that says what went wrong. */
export const askPods = (server: PodsServer): Effect.Effect<Pods, string> =>
  Effect.tryPromise({
    try: (signal) => get(server, AbortSignal.any([signal, AbortSignal.timeout(2 * timeoutMs)])),
    catch: messageOf
  }).pipe(Effect.flatMap((text) => Result.match(readPods(text), { onFailure: Effect.fail, onSuccess: Effect.succeed })))
