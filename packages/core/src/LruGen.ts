/**
 * MGLRU: the debugfs table of generations (`/sys/kernel/debug/lru_gen`, and `lru_gen_full`), its two commands, and the sysfs switch.
 * A page in a generation was last seen in use between the birth of that generation and the birth of the next younger one.
 * Source: kernel Documentation/admin-guide/mm/multigen_lru.rst; line formats from lru_gen_seq_show in mm/vmscan.c.
 */
import { bytesCodec, type Codec, exactNumber, quote, reject, textCodec } from "./Codec.ts"
import type { Milliseconds, Pages } from "./Units.ts"

export interface Generation {
  /** Sequence number; the largest is the youngest. */
  readonly seq: number
  /** Time since the generation was created. */
  readonly ageMs: Milliseconds
  readonly anonPages: Pages
  readonly filePages: Pages
}

export interface LruGenNode {
  readonly node: number
  /** Oldest first; at most four on current kernels. */
  readonly generations: ReadonlyArray<Generation>
}

export interface LruGenMemcg {
  /** The kernel's private memcg id (not the inode of the cgroup directory). */
  readonly id: number
  /** Path below the cgroup mount; `/` is the root. */
  readonly path: string
  readonly nodes: ReadonlyArray<LruGenNode>
}

/** The first line of a group: its id and its path, which is empty for the root on some kernels. */
export const headerLine = /^memcg\s+(\d+)\s(.*)$/
const nodeLine = /^ node\s+(\d+)$/
const generationLine = /^\s+(\d+)\s+(\d+)\s+(\d+)[ x]?\s+(\d+)[ x]?\s*$/

/** Tier and mm-statistics lines of `lru_gen_full`: numbers, each with letters glued to it or not. */
const statisticsLine = /^\s+\d+[a-zA-Z]*(?:\s+\d+[a-zA-Z]*)*\s*$/

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

/**
 * The table of generations. Tier and mm-statistics lines of `lru_gen_full` are passed over: after a node line only lines of four
 * numbers whose first continues the sequence count.
 */
export const lruGen: Codec<ReadonlyArray<LruGenMemcg>> = bytesCodec<ReadonlyArray<LruGenMemcg>>(
  "lru_gen",
  (bytes) => {
    const memcgs: Array<{ id: number; path: string; nodes: Array<{ node: number; generations: Array<Generation> }> }> = []
    const lines = utf8.decode(bytes).split("\n")
    lines.forEach((text, index) => {
      const line = index + 1
      if (text === "") return
      const header = headerLine.exec(text)
      if (header !== null) {
        memcgs.push({ id: exactNumber(header[1]!, line), path: header[2] || "/", nodes: [] })
        return
      }
      const memcg = memcgs.at(-1) ?? reject(line, `${quote(text)} comes before any memcg line`)
      const node = nodeLine.exec(text)
      if (node !== null) {
        memcg.nodes.push({ node: exactNumber(node[1]!, line), generations: [] })
        return
      }
      const target = memcg.nodes.at(-1) ?? reject(line, `${quote(text)} comes before any node line`)
      const fields = generationLine.exec(text)
      if (fields === null) return statisticsLine.test(text) ? undefined : reject(line, `${quote(text)} is not a generation`)
      const seq = exactNumber(fields[1]!, line)
      const last = target.generations.at(-1)
      if (last !== undefined && seq !== last.seq + 1) return
      target.generations.push({
        seq,
        ageMs: exactNumber(fields[2]!, line),
        anonPages: exactNumber(fields[3]!, line),
        filePages: exactNumber(fields[4]!, line)
      })
    })
    return memcgs
  },
  (memcgs) =>
    memcgs
      .map(
        ({ id, nodes, path }) =>
          `memcg ${String(id).padStart(5)} ${path}\n` +
          nodes
            .map(
              ({ generations, node }) =>
                ` node ${String(node).padStart(5)}\n` +
                generations
                  .map(
                    (g) =>
                      ` ${String(g.seq).padStart(10)} ${String(g.ageMs).padStart(10)} ${String(g.anonPages).padStart(10)}  ${String(g.filePages).padStart(10)} \n`
                  )
                  .join("")
            )
            .join("")
      )
      .join("")
)

/**
 * A write to the debugfs file.
 * `age`: create generation `maxSeq + 1` after walking the page tables (`+ memcg node max_gen [can_swap [force_scan]]`).
 * `evict`: evict generations up to and including `seq` (`- memcg node min_gen [swappiness [nr_to_reclaim]]`, pages); the two youngest
 * cannot be evicted.
 */
export type LruGenCommand =
  | {
      readonly _tag: "Age"
      readonly memcg: number
      readonly node: number
      readonly maxSeq: number
      readonly canSwap?: number
      readonly forceScan?: boolean
    }
  | {
      readonly _tag: "Evict"
      readonly memcg: number
      readonly node: number
      readonly seq: number
      readonly swappiness?: number | "max"
      readonly pages?: Pages
    }

/** One command, as written to `lru_gen`. */
export const lruGenCommand: Codec<LruGenCommand> = textCodec(
  "lru_gen command",
  (lines) => {
    if (lines.length !== 1) return reject(1, "expected one command")
    const [sign, memcg, node, seq, ...options] = lines[0]!.trim().split(/\s+/)
    if ((sign !== "+" && sign !== "-") || seq === undefined || options.length > 2) return reject(1, `${quote(lines[0]!)} is not a command`)
    const target = { memcg: exactNumber(memcg!, 1), node: exactNumber(node!, 1) }
    if (sign === "+") {
      return {
        _tag: "Age",
        ...target,
        maxSeq: exactNumber(seq, 1),
        ...(options[0] === undefined ? {} : { canSwap: exactNumber(options[0], 1) }),
        ...(options[1] === undefined ? {} : { forceScan: exactNumber(options[1], 1) !== 0 })
      }
    }
    return {
      _tag: "Evict",
      ...target,
      seq: exactNumber(seq, 1),
      ...(options[0] === undefined ? {} : { swappiness: options[0] === "max" ? ("max" as const) : exactNumber(options[0], 1) }),
      ...(options[1] === undefined ? {} : { pages: exactNumber(options[1], 1) })
    }
  },
  (command) => {
    const words: Array<string | number> =
      command._tag === "Age" ? ["+", command.memcg, command.node, command.maxSeq] : ["-", command.memcg, command.node, command.seq]
    if (command._tag === "Age") {
      if (command.canSwap !== undefined || command.forceScan !== undefined) words.push(command.canSwap ?? 1)
      if (command.forceScan !== undefined) words.push(command.forceScan ? 1 : 0)
    } else {
      if (command.swappiness !== undefined || command.pages !== undefined) words.push(command.swappiness ?? 60)
      if (command.pages !== undefined) words.push(command.pages)
    }
    return words.join(" ")
  }
)

/** `/sys/kernel/mm/lru_gen/enabled`: bit 0 the main switch, bit 1 leaf page-table walks, bit 2 non-leaf accessed bits. */
export const lruGenEnabled: Codec<number> = textCodec(
  "lru_gen/enabled",
  (lines) => (/^0x[0-9a-f]+$/i.test(lines[0] ?? "") ? Number(lines[0]) : reject(1, `${quote(lines[0] ?? "")} is not a bit mask`)),
  (value) => `0x${value.toString(16).padStart(4, "0")}\n`
)
