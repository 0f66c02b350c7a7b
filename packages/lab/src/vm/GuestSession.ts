/**
 * Wires a running QEMU to streams: output of the guest to ours with back-pressure, our input to the guest, control lines to events, the
 * console to a buffer. It starts and ends no process, and decides nothing about failures: `VmRun` does.
 */
import type { ChildProcess } from "node:child_process"
import type { Duplex, Readable, Writable } from "node:stream"
import { Deferred, Effect } from "effect"
import { GuestConsole } from "./GuestConsole.ts"
import { inputEnd, inputFrames, MarkerScanner, parseControlLine } from "./GuestProtocol.ts"
import { descriptors } from "./VmBoot.ts"

/** Where the guest's command reads and writes. Without `stdin` it reads nothing. */
export interface VmStreams {
  readonly stdin: Readable | undefined
  readonly stdout: Writable
  readonly stderr: Writable
}

export type SessionMode = "ports" | "console"

/** The exit code that a program has whose reader went away (128 + SIGPIPE). */
const brokenPipe = 141

export class GuestSession {
  /** The command is about to start. */
  readonly started = Deferred.makeUnsafe<void>()
  /** The command has ended and all its output has been handed on: its exit code. */
  readonly finished = Deferred.makeUnsafe<number>()
  /** QEMU is gone: the last it said on standard error. */
  readonly gone = Deferred.makeUnsafe<string>()
  readonly console = new GuestConsole()

  /** Begins to read our input: not before the command starts, so that a boot that fails has taken none of it. */
  readonly attachInput: () => void

  #code: number | undefined
  #open = 0
  #complaints = ""
  readonly #detachments: Array<() => void> = []

  constructor(qemu: ChildProcess, streams: VmStreams, marker: string, mode: SessionMode) {
    const socket = (fd: number): Duplex => {
      const stream = qemu.stdio[fd] as unknown as Duplex
      stream.on("error", () => {})
      return stream
    }
    qemu.stderr?.on("data", (piece: Buffer) => {
      this.#complaints = (this.#complaints + piece.toString()).slice(-4096)
      // QEMU stops such a guest, but stays.
      if (/KVM internal error|kvm run failed/.test(this.#complaints)) {
        Deferred.doneUnsafe(this.gone, Effect.succeed("KVM cannot run this guest"))
      }
    })
    qemu.once("error", (error) => Deferred.doneUnsafe(this.gone, Effect.succeed(error.message)))
    qemu.once("close", () => Deferred.doneUnsafe(this.gone, Effect.succeed(this.#complaints.trim())))

    const console = socket(descriptors.console)
    console.on("data", (piece: Buffer) => this.console.push(piece))
    this.#readControl(socket(descriptors.control))
    if (mode === "ports") {
      this.#passOn(socket(descriptors.stdout), streams.stdout, marker)
      this.#passOn(socket(descriptors.stderr), streams.stderr, marker)
    } else {
      // The terminal begins at the first marker and ends at the second: what comes before is the boot.
      const begin = new MarkerScanner(marker)
      const end = new MarkerScanner(marker)
      this.#open++
      console.on("data", (piece: Buffer) => {
        const shown = end.push(begin.push(piece).after).before
        if (shown.length > 0) streams.stdout.write(shown)
        if (end.found) this.#closed()
      })
    }
    const input = socket(descriptors.stdin)
    this.attachInput = () => {
      if (streams.stdin === undefined) return
      if (mode === "ports") this.#feed(streams.stdin, input, inputFrames, inputEnd)
      else this.#feed(streams.stdin, console, (chunk) => [chunk], undefined)
    }
  }

  /** Lets go of the caller's streams; the caller's process must be able to end. */
  detach(): void {
    for (const detach of this.#detachments.splice(0)) detach()
  }

  #readControl(control: Duplex): void {
    let text = ""
    control.on("data", (piece: Buffer) => {
      const lines = (text + piece.toString()).split("\n")
      text = lines.pop() ?? ""
      for (const line of lines) {
        const said = parseControlLine(line)
        if (said.kind === "run") Deferred.doneUnsafe(this.started, Effect.void)
        if (said.kind === "exit") {
          this.#code = said.code
          this.#finishIfAll()
        }
      }
    })
  }

  #passOn(source: Duplex, target: Writable, marker: string): void {
    const scanner = new MarkerScanner(marker)
    this.#open++
    const resume = () => source.resume()
    const broken = () => Deferred.doneUnsafe(this.finished, Effect.succeed(brokenPipe))
    target.on("drain", resume).on("error", broken)
    this.#detachments.push(() => target.off("drain", resume))
    const write = (data: Buffer) => {
      if (data.length > 0 && !target.write(data)) source.pause()
    }
    source.on("data", (piece: Buffer) => {
      if (scanner.found) return
      write(scanner.push(piece).before)
      // Whoever ends the process after us must not cut off what its standard output still holds.
      if (scanner.found) target.write("", () => this.#closed())
    })
    source.once("end", () => write(scanner.flush()))
  }

  #feed(source: Readable, target: Duplex, frame: (chunk: Buffer) => ReadonlyArray<Buffer>, last: Buffer | undefined): void {
    const data = (chunk: Buffer | string) => {
      let room = true
      for (const part of frame(typeof chunk === "string" ? Buffer.from(chunk) : chunk)) room = target.write(part) && room
      if (!room) {
        source.pause()
        target.once("drain", () => source.resume())
      }
    }
    const end = () => (last === undefined ? undefined : target.write(last))
    source.on("data", data).once("end", end).once("error", end)
    this.#detachments.push(() => {
      source.off("data", data).off("end", end).off("error", end)
      source.pause()
      // A paused standard input still keeps Node alive.
      if ("unref" in source && typeof source.unref === "function") source.unref()
    })
  }

  #closed(): void {
    this.#open--
    this.#finishIfAll()
  }

  #finishIfAll(): void {
    if (this.#code !== undefined && this.#open <= 0) Deferred.doneUnsafe(this.finished, Effect.succeed(this.#code))
  }
}
