/** What the probes share: reading a short text or nothing, and making a capability whose `enable` may be missing. */
import { Effect } from "effect"
import type { Capability } from "../Capabilities.ts"
import { KernFs } from "../KernFs.ts"
import { KernelRoots, type KernelRootsShape } from "../KernelRoots.ts"

export interface Probe {
  readonly roots: KernelRootsShape
  /** The file without blanks at its ends; undefined where it cannot be read. */
  readonly text: (path: string) => Effect.Effect<string | undefined>
  /** Names in a directory; none where it cannot be listed. */
  readonly list: (path: string) => Effect.Effect<ReadonlyArray<string>>
  readonly exists: (path: string) => Effect.Effect<boolean>
}

export const makeProbe: Effect.Effect<Probe, never, KernFs> = Effect.gen(function* () {
  const fs = yield* KernFs
  const roots = yield* KernelRoots
  return {
    roots,
    exists: fs.exists,
    text: (path) =>
      fs.read(path).pipe(
        Effect.map((bytes) => new TextDecoder().decode(bytes).trim()),
        Effect.orElseSucceed(() => undefined)
      ),
    list: (path) => Effect.orElseSucceed(fs.list(path), () => [])
  }
})

export const capability = (
  id: string,
  title: string,
  use: string,
  found: { readonly state: Capability["state"]; readonly detail: string; readonly enable?: string | undefined }
): Capability => ({
  id,
  title,
  use,
  state: found.state,
  detail: found.detail,
  ...(found.enable === undefined ? {} : { enable: found.enable })
})

/** Whether a release such as `6.12.3-amd64` is at least `major.minor`. Distributions backport: a hint, to be labelled as such. */
export const isAtLeast = (release: string, major: number, minor: number): boolean => {
  const match = /^(\d+)\.(\d+)/.exec(release)
  if (match === null) return false
  return Number(match[1]) > major || (Number(match[1]) === major && Number(match[2]) >= minor)
}
