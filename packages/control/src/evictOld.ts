/**
 * Evicts old generations of a group and of those below it, in chunks. The kernel's command takes a generation of one node of one memory cgroup,
 * minds no protection and does not say what it took: all three are this module's business.
 */
import { type Bytes, Cgroups, type KernelError, limitBytes, type LruGenMemcg, Memcg, Mglru, type Milliseconds, pageSize } from "@wmo/core"
import type { Action } from "@wmo/policies"
import { Effect } from "effect"

/** Size of one request: none holds a kernel thread for long. */
export const chunkBytes: Bytes = 32 * 2 ** 20

/** Of a memory cgroup on a node: the youngest generation of which everything is at least so old, and the pages of it and of older ones. */
interface OldPages {
  readonly memcg: string
  readonly node: number
  readonly seq: number
  readonly pages: number
}

const oldPages = (memcgs: ReadonlyArray<LruGenMemcg>, olderThanMs: Milliseconds): ReadonlyArray<OldPages> =>
  memcgs.flatMap(({ nodes, path }) =>
    nodes.flatMap(({ generations, node }) => {
      // The two youngest are never evicted; a generation ends where the next one begins.
      const old = generations.slice(0, -2).filter((_, i) => generations[i + 1]!.ageMs >= olderThanMs)
      const youngest = old.at(-1)
      if (youngest === undefined) return []
      const pages = old.reduce((sum, { anonPages, filePages }) => sum + anonPages + filePages, 0)
      return [{ memcg: path.slice(1), node, seq: youngest.seq, pages }]
    })
  )

/** The groups from below `group` down to `memcg`, that one included. */
const groupsDownTo = (memcg: string, group: string): ReadonlyArray<string> => {
  const names = memcg.split("/").filter(Boolean)
  const depth = group.split("/").filter(Boolean).length
  return names.slice(depth).map((_, i) => names.slice(0, depth + i + 1).join("/"))
}

/** What groups below may still give: none falls below its own `memory.min` and `memory.low`. The group itself is the guard rails' business. */
const makeRoomBelow = (cgroups: Cgroups["Service"], group: string) => {
  const room = new Map<string, Bytes>()
  const roomOf = Effect.fnUntraced(function* (name: string) {
    const known = room.get(name)
    if (known !== undefined) return known
    const [current = 0, min = 0, low = 0] = yield* Effect.all([
      cgroups.readOptional(name, Memcg.memoryCurrent),
      cgroups.readOptional(name, Memcg.memoryMin),
      cgroups.readOptional(name, Memcg.memoryLow)
    ])
    const bytes = Math.max(0, current - Math.max(limitBytes(min), limitBytes(low)))
    room.set(name, bytes)
    return bytes
  })
  return {
    of: (memcg: string) =>
      Effect.map(Effect.forEach(groupsDownTo(memcg, group), roomOf), (rooms) => Math.min(Number.MAX_SAFE_INTEGER, ...rooms)),
    taken: (memcg: string, bytes: Bytes): void => {
      for (const name of groupsDownTo(memcg, group)) room.set(name, Math.max(0, (room.get(name) ?? 0) - bytes))
    }
  }
}

export interface Evicted {
  /** How much `memory.current` fell, which is what counts as saved. */
  readonly reclaimedBytes: Bytes
  /** What left memory, as far as anything tells: compressed copies stay, and a group that grows meanwhile hides it. */
  readonly takenBytes: Bytes
  /** Why it ended early, after it had taken something. */
  readonly trouble: string | undefined
}

export const evictOld: (group: string, action: Extract<Action, { _tag: "Evict" }>) => Effect.Effect<Evicted, KernelError, Cgroups | Mglru> =
  Effect.fnUntraced(function* (given, { bytes, olderThanMs, swappiness }) {
    const cgroups = yield* Cgroups
    const mglru = yield* Mglru
    const group = cgroups.normalize(given)
    const look = Effect.all({
      currentBytes: cgroups.read(group, Memcg.memoryCurrent),
      stolen: Effect.map(cgroups.readOptional(group, Memcg.memoryStat), (stat) => stat?.pgsteal),
      old: Effect.map(mglru.groups(group), (memcgs) => oldPages(memcgs, olderThanMs))
    })
    const roomBelow = makeRoomBelow(cgroups, group)
    const keyOf = ({ memcg, node }: OldPages): string => `${node} ${memcg}`
    /** Those whose old pages do not go: in use after all, locked, protected, without room in swap, or of a group that is gone. */
    const stuck = new Set<string>()
    let reclaimedBytes = 0
    let takenBytes = 0
    let before = yield* look
    for (let left = bytes; left >= pageSize;) {
      const next = before.old.find((old) => old.pages > 0 && !stuck.has(keyOf(old)))
      if (next === undefined) break
      const { memcg, node, seq } = next
      const pages = Math.floor(Math.min(left, chunkBytes, yield* roomBelow.of(memcg)) / pageSize)
      if (pages === 0) {
        stuck.add(keyOf(next))
        continue
      }
      const refused = yield* mglru.evict(memcg, { node, seq, pages, ...(swappiness === undefined ? {} : { swappiness }) }).pipe(
        Effect.as(undefined),
        Effect.catch((error) => Effect.succeed(error))
      )
      const isGone = refused?._tag === "KernFsError" && refused.isGone && memcg !== group
      if (refused !== undefined && !isGone) {
        if (takenBytes === 0) return yield* refused
        return { reclaimedBytes, takenBytes, trouble: refused.message }
      }
      const now = yield* look
      // Each alone tells too little: the first where the group grows, the second where young file pages join the oldest, the third comes late.
      const fell = before.currentBytes - now.currentBytes
      const gone = next.pages - (now.old.find((old) => keyOf(old) === keyOf(next))?.pages ?? 0)
      const stolen = Number((now.stolen ?? 0n) - (before.stolen ?? 0n))
      const taken = Math.max(0, fell, gone * pageSize, stolen * pageSize)
      if (isGone || taken === 0) stuck.add(keyOf(next))
      else {
        reclaimedBytes += Math.max(0, fell)
        takenBytes += taken
        roomBelow.taken(memcg, taken)
        left -= Math.max(taken, Math.min(next.pages, pages) * pageSize)
      }
      before = now
    }
    return { reclaimedBytes, takenBytes, trouble: undefined }
  })
