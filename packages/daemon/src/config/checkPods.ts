/** Checks where pods are asked for: by TLS, or on this machine, since labels and annotations decide what is done, and a token goes with the question. */
import { parseDuration } from "@wmo/core"
import { Result } from "effect"
import type { Say } from "./checkConfig.ts"
import type { PodsSource } from "./Config.ts"
import type { ConfigFile } from "./ConfigFile.ts"

const defaultEveryMs = 30_000
const leastEveryMs = 1000
const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/

export const checkPods = (given: NonNullable<ConfigFile["pods"]>, inDirectory: (path: string) => string, say: Say): PodsSource => {
  if (typeof given === "string") return { file: inDirectory(given) }
  const { ca_file, interval, token_file, url } = given
  const everyMs = interval === undefined ? defaultEveryMs : Result.getOrThrow(parseDuration(String(interval)))
  if (everyMs < leastEveryMs) say(["pods", "interval"], `interval: at least ${leastEveryMs / 1000}s`)
  // A variable of the environment may be any part of it.
  const parsed = URL.parse(url.replaceAll(/\$\{\w+\}/g, "x"))
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    say(["pods", "url"], `url: "${url}" is not a URL: write https://kubernetes.default.svc/api/v1/pods for example`)
  } else if (parsed.protocol === "http:" && !loopback.test(parsed.hostname)) {
    say(["pods", "url"], `url: who answers for ${parsed.hostname} is not known without encryption: write https://`)
  }
  return {
    url,
    tokenFile: token_file === undefined ? undefined : inDirectory(token_file),
    caFile: ca_file === undefined ? undefined : inDirectory(ca_file),
    everyMs
  }
}
