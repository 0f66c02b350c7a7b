/**
 * The journal on disk: one file per process and a copy of it, JSON lines with a checksum each, the first says who wrote it. Appended and synced before
 * each change; rewritten atomically when it holds mostly history, when changes have been undone, and when somebody has taken it away. Of file and copy
 * either may be damaged or gone. Does not touch the machine: see Journal. Everything here is synchronous; the state directory belongs on a tmpfs such as
 * /run, where a sync costs nothing.
 */
import * as nodeFs from "node:fs"
import { crc32 } from "node:zlib"
import { JournalCopy, replaceFile } from "./JournalCopy.ts"

/** Who made the changes. A process is identified by pid and start time, a boot by the kernel's boot id. */
export interface JournalHeader {
  readonly version: 1
  readonly pid: number
  readonly startTime: string
  readonly bootId: string
  readonly command: string
  /** How often it has been rewritten: of file and copy the later one counts. */
  readonly generation?: number
}

/**
 * What is written, in order, to set something up again that takes more than one file. Not done unless all of `expects` is so then:
 * somebody else may have come.
 */
export interface Replay {
  /** What the record is known by: a directory that is there as long as there is something to undo. */
  readonly path: string
  readonly expects: ReadonlyArray<readonly [path: string, text: string]>
  readonly writes: ReadonlyArray<readonly [path: string, text: string]>
}

/**
 * A line after the first. `is`: what the file says after the write; `cancel`: the line of that path before it (a mkdir, unless it says) does not count:
 * it was not done, or it is undone.
 */
export type JournalLine =
  | { readonly kind: "write"; readonly path: string; readonly was: string; readonly is: string }
  | { readonly kind: "mkdir"; readonly path: string }
  | ({ readonly kind: "replay" } & Replay)
  | { readonly kind: "claim"; readonly path: string }
  | { readonly kind: "cancel"; readonly path: string; readonly of?: "write" | "mkdir" | "replay" | "claim" }

/** What there is to undo at a path. `ours`: the last few texts that our writes left there. */
export type Change =
  | { readonly kind: "write"; readonly path: string; readonly was: string; readonly ours: Array<string> }
  | { readonly kind: "mkdir"; readonly path: string }
  | ({ readonly kind: "replay" } & Replay)

/** What a process holds: changes to undo, in the order in which their paths were first changed; and what it claimed for itself. */
export interface Holdings {
  /** By `keyOf`. */
  readonly changes: Map<string, Change>
  readonly claims: Set<string>
}

/** What a change is known by: there is one of a kind at a path. */
export const keyOf = (kind: Change["kind"], path: string): string => `${kind} ${path}`

/** More than the two that a crash between two writes can leave, so that a text read back has room beside the text written. */
const textsKept = 4
const filePattern = /^journal-(\d+)-(\d+)\.jsonl$/

/** Adds a line to what is held, in place. */
const applyLine = ({ changes, claims }: Holdings, line: JournalLine): void => {
  if (line.kind === "claim") return void claims.add(line.path)
  const kind = line.kind === "cancel" ? (line.of ?? "mkdir") : line.kind
  if (kind === "claim") return void claims.delete(line.path)
  const key = keyOf(kind, line.path)
  const known = changes.get(key)
  if (line.kind === "cancel") changes.delete(key)
  else if (line.kind !== "write") {
    if (known === undefined) changes.set(key, line)
  } else if (known?.kind === "write") {
    if (known.ours.at(-1) !== line.is) known.ours.push(line.is)
    if (known.ours.length > textsKept) known.ours.shift()
  } else {
    changes.set(key, { kind: "write", path: line.path, was: line.was, ours: [line.is] })
  }
}

const linesOfChange = (change: Change): ReadonlyArray<JournalLine> =>
  change.kind !== "write" ? [change] : change.ours.map((is) => ({ kind: "write", path: change.path, was: change.was, is }))

const linesOf = ({ changes, claims }: Holdings): ReadonlyArray<JournalLine> => [
  ...[...claims].map((path) => ({ kind: "claim" as const, path })),
  ...[...changes.values()].flatMap(linesOfChange)
]

const isPairs = (value: any): boolean =>
  Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === "string"))

const isLine = (value: any): value is JournalLine =>
  typeof value?.path === "string" &&
  (value.kind === "mkdir" ||
    value.kind === "claim" ||
    (value.kind === "replay" && isPairs(value.expects) && isPairs(value.writes)) ||
    (value.kind === "cancel" && [undefined, "write", "mkdir", "replay", "claim"].includes(value.of)) ||
    (value.kind === "write" && typeof value.was === "string" && typeof value.is === "string"))

const isHeader = (value: any): value is JournalHeader =>
  value?.version === 1 && Number.isSafeInteger(value.pid) && typeof value.startTime === "string" && typeof value.bootId === "string"

/** A line of the file. Flipped bits could make another limit of a limit: each has a checksum, of what is before it. */
const printLine = (value: JournalHeader | JournalLine): string => {
  const text = JSON.stringify(value)
  return `${text.slice(0, -1)},"check":${crc32(text)}}\n`
}

/** The value of a line; nothing where it is torn or damaged. Lines without a checksum are those of older versions. */
const readLine = (line: string): ReadonlyArray<unknown> => {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== "object" || value === null || !("check" in value)) return [value]
    const { check, ...rest } = value
    return check === crc32(JSON.stringify(rest)) ? [rest] : []
  } catch {
    return []
  }
}

/** Where the copy of a journal is. */
const copyOf = (file: string): string => `${file}.copy`

interface Parsed extends Holdings {
  readonly header: JournalHeader | undefined
  /** Lines that say something. */
  readonly lines: number
}

/** What a journal says. A torn line (power loss while it was written) describes a change that was not made, and is passed over. */
const parseJournal = (text: string): Parsed => {
  const values = text.split("\n").flatMap(readLine)
  const held: Holdings = { changes: new Map(), claims: new Set() }
  const lines = values.filter(isLine)
  for (const line of lines) applyLine(held, line)
  return { header: values.find(isHeader), lines: lines.length, ...held }
}

/** Undefined where there is none. Throws what `node:fs` throws. */
const parseFile = (file: string): Parsed | undefined => {
  try {
    return parseJournal(nodeFs.readFileSync(file, "utf8"))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** Of file and copy the one that was written later, else the one of which more is whole. */
const better = (file: Parsed | undefined, copy: Parsed | undefined): Parsed | undefined => {
  if (file === undefined || copy === undefined) return file ?? copy
  const later = (file.header?.generation ?? 0) - (copy.header?.generation ?? 0)
  const isCopy = file.header === undefined || copy.header === undefined || later === 0 ? copy.lines > file.lines : later < 0
  const chosen = isCopy ? copy : file
  return { ...chosen, header: chosen.header ?? file.header ?? copy.header }
}

/**
 * A journal of this boot: what it holds, and whose it is. Where its first line is damaged its name says whose, and the boot is taken to be this one.
 * Undefined where it is of another boot, or says nothing at all. Throws what `node:fs` throws.
 */
export const readJournal = (
  directory: string,
  name: string,
  bootId: string
): (Holdings & { readonly header: JournalHeader }) | undefined => {
  const file = `${directory}/${name}`
  const parsed = better(parseFile(file), parseFile(copyOf(file)))
  if (parsed === undefined) return undefined
  const { changes, claims, header } = parsed
  const held: Holdings = { changes, claims }
  if (header !== undefined) return header.bootId === bootId ? { header, ...held } : undefined
  const [, pid, startTime] = filePattern.exec(name) ?? []
  if (startTime === undefined || held.changes.size + held.claims.size === 0) return undefined
  return { header: { version: 1, pid: Number(pid), startTime, bootId, command: "its name is lost" }, ...held }
}

/** Throws what `node:fs` throws. */
export const removeJournal = (file: string): void => {
  nodeFs.rmSync(file, { force: true })
  nodeFs.rmSync(copyOf(file), { force: true })
}

/** Replaces file and copy, each atomically, by what is still held; removes them when nothing is. Throws what `node:fs` throws. */
export const replaceJournal = (file: string, header: JournalHeader, held: Holdings): void => {
  const lines = linesOf(held)
  if (lines.length === 0) return removeJournal(file)
  const text = [{ ...header, generation: (header.generation ?? 0) + 1 }, ...lines].map(printLine).join("")
  replaceFile(file, text)
  replaceFile(copyOf(file), text)
}

/** Names of the journals in a directory, also of those of which only the copy is there; none where it cannot be read. */
export const listJournals = (directory: string): ReadonlyArray<string> => {
  try {
    const names = nodeFs.readdirSync(directory).map((name) => (name.endsWith(copyOf("")) ? name.slice(0, -copyOf("").length) : name))
    return [...new Set(names)].filter((name) => filePattern.test(name))
  } catch {
    return []
  }
}

/** The journal of this process, and what it holds. Methods throw what `node:fs` throws. */
export class JournalFile {
  held: Holdings = { changes: new Map(), claims: new Set() }
  readonly name: string
  private readonly file: string
  private readonly copies: ReadonlyArray<JournalCopy>
  private header: JournalHeader
  private linesOnDisk = 0

  constructor(directory: string, header: JournalHeader) {
    this.header = header
    this.name = `journal-${header.pid}-${header.startTime}.jsonl`
    this.file = `${directory}/${this.name}`
    this.copies = [this.file, copyOf(this.file)].map((file) => new JournalCopy(file))
  }

  /** Puts a line on disk, then among what is held. */
  append(line: JournalLine): void {
    this.appendAll([line])
  }

  /** As `append`, with one sync of each copy for all. */
  appendAll(lines: ReadonlyArray<JournalLine>): void {
    if (lines.length === 0) return
    const isMostlyHistory = this.linesOnDisk > 256 + 8 * (this.held.changes.size + this.held.claims.size)
    if (isMostlyHistory || this.copies.some(({ isTakenAway }) => isTakenAway)) this.replace(this.held)
    const texts = lines.map(printLine)
    for (const copy of this.copies) copy.open(printLine(this.header))
    for (const copy of this.copies) copy.append(texts)
    this.linesOnDisk += lines.length
    for (const line of lines) applyLine(this.held, line)
  }

  /**
   * Gives up these changes and claims. A few of many are crossed out by lines of their own: with a thousand groups that end one after the other, writing
   * what is left each time would be a million lines.
   */
  giveUp(changes: ReadonlyArray<Change>, claims: ReadonlyArray<string>): void {
    const left = this.held.changes.size + this.held.claims.size - changes.length - claims.length
    if (left > changes.length + claims.length) {
      this.appendAll([
        ...changes.map(({ kind, path }) => ({ kind: "cancel" as const, of: kind, path })),
        ...claims.map((path) => ({ kind: "cancel" as const, of: "claim" as const, path }))
      ])
      return
    }
    const held: Holdings = { changes: new Map(this.held.changes), claims: new Set(this.held.claims) }
    for (const { kind, path } of changes) held.changes.delete(keyOf(kind, path))
    for (const path of claims) held.claims.delete(path)
    this.replace(held)
  }

  /** Holds only this, on disk too. */
  replace(held: Holdings): void {
    this.held = held
    const wasWritten = this.linesOnDisk > 0 || this.copies.some(({ isOpen }) => isOpen)
    for (const copy of this.copies) copy.close()
    if (!wasWritten) return
    replaceJournal(this.file, this.header, held)
    this.header = { ...this.header, generation: (this.header.generation ?? 0) + 1 }
    this.linesOnDisk = linesOf(held).length
    for (const copy of this.copies) copy.mend()
  }
}
