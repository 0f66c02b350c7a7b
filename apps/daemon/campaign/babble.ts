import type { Socket } from "node:net"

/** A connection that writes this and is done with when the other side closes it, or soon. */
export const babble = (open: () => Socket, said: string | Buffer, forMs: number): Promise<void> =>
  new Promise((resolve) => {
    const connection = open()
    connection.once("connect", () => connection.write(said))
    const timer = setTimeout(() => connection.destroy(), forMs)
    connection
      .on("error", () => undefined)
      .resume()
      .once("close", () => {
        clearTimeout(timer)
        resolve()
      })
  })
