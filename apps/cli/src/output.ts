/**
 * Standard output and error. A pipe takes 64 KiB; Node keeps what is beyond that until somebody reads, however much it is, and `process.exit` drops it.
 */

const streams = [process.stdout, process.stderr]

/**
 * A reader that went away (`| head`, a closed terminal) must not end a run before it has put the machine back: what cannot be written is
 * dropped. Anything else that stops the output (a full disk) is an error, with this exit code.
 */
export const surviveClosedStreams = (exitCode: number): void => {
  for (const stream of streams) {
    stream.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code !== "EPIPE" && code !== "EIO") process.exitCode = exitCode
    })
  }
}

/** Until all that was printed has been taken, or the reader is gone. Whoever prints much waits for this now and then; every process does at its end. */
export const taken = async (): Promise<void> => {
  await Promise.all(streams.map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))))
}
