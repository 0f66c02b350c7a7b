/**
 * An interactive shell on the guest's console: our terminal in raw mode, every key to the guest, until the shell ends.
 * The terminal is put back on every way out. Ctrl+] ends the guest, should the shell not.
 */
import { Transform } from "node:stream"
import type { ReadStream, WriteStream } from "node:tty"
import { Deferred, Effect } from "effect"
import { VmError, vmError } from "./VmError.ts"
import type { VmOptions } from "./VmOptions.ts"
import { findProgram, toolPath } from "./Tools.ts"
import { type VmResult, vmRun } from "./VmRun.ts"

/** Ctrl+]: as in telnet. */
const escapeKey = 0x1d

export interface Terminal {
  readonly stdin: ReadStream
  readonly stdout: WriteStream
}

const rawMode = (stdin: ReadStream) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const restore = () => void stdin.setRawMode(false)
      process.on("exit", restore)
      stdin.setRawMode(true)
      return restore
    }),
    (restore) =>
      Effect.sync(() => {
        process.off("exit", restore)
        restore()
        stdin.unref()
      })
  )

/** The shell to run where none is asked for: the caller's, else bash, else sh. */
const defaultShell = (env: NodeJS.ProcessEnv): string =>
  [env["SHELL"], "bash", "sh"].find((name) => name !== undefined && findProgram(name, toolPath()) !== undefined) ?? "sh"

/** Boots a guest and hands its console over. Fails with reason `Usage` where standard input or output is not a terminal. */
export const vmShell = Effect.fn("VmShell.run")(function* (
  command: ReadonlyArray<string>,
  options: VmOptions,
  terminal: Terminal
): Effect.fn.Return<VmResult, VmError> {
  const { stdin, stdout } = terminal
  if (!stdin.isTTY || !stdout.isTTY) {
    return yield* vmError("Usage", "wmo vm shell needs a terminal: for scripts, use `wmo vm run -- sh`")
  }
  const escaped = yield* Deferred.make<never, VmError>()
  const keys = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (!chunk.includes(escapeKey)) return done(null, chunk)
      const ended = new VmError({ reason: "GuestDied", message: "the guest was ended with Ctrl+]", consoleTail: [], exitCode: 130 })
      Deferred.doneUnsafe(escaped, Effect.fail(ended))
      return done(null)
    }
  })
  const size = { rows: stdout.rows, columns: stdout.columns }
  return yield* Effect.scoped(
    Effect.gen(function* () {
      yield* rawMode(stdin)
      yield* Effect.acquireRelease(
        Effect.sync(() => stdin.pipe(keys)),
        () => Effect.sync(() => void stdin.unpipe(keys).pause())
      )
      const words = command.length > 0 ? command : [defaultShell(process.env)]
      return yield* vmRun(words, options, { stdin: keys, stdout, stderr: stdout }, size).pipe(Effect.raceFirst(Deferred.await(escaped)))
    })
  )
})
