/**
 * A redis-server of one's own: started on a Unix socket in a directory of its own, in the cgroup that it is to be in, and ended with all that it left.
 * Nothing is saved to disk.
 */
import type { Milliseconds } from "@wmo/core"
import { type ChildProcess, spawn } from "node:child_process"
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface RedisServerOptions {
  /** `redis-server`, on PATH, or another. */
  readonly server: string
  /** A cgroup's directory that the server is started in, instead of this process's. */
  readonly serverGroup: string | undefined
}

export interface RedisServer {
  /** Waits until it listens. */
  readonly connect: () => Promise<Socket>
  /** Resolves when it has ended, with why. */
  readonly ended: Promise<Error>
  /** Ends it, if it runs, and removes its directory. */
  readonly stop: () => Promise<void>
}

const startupMs: Milliseconds = 30_000
const pollMs: Milliseconds = 50

const connected = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once("connect", () => {
      socket.off("error", reject)
      resolve(socket)
    })
    socket.once("error", reject)
  })

/** What a shell ends with where there is no such program. */
const notFoundCode = 127

const notFound = (program: string): Error =>
  new Error(`there is no ${program}: install it (Debian: apt-get install --no-install-recommends redis-server)`)

const memoryAdvice = "perhaps for want of memory: raise the limit (memory.max) of its group, or ask for fewer --keys or a smaller --value"

const killed = (signal: NodeJS.Signals | null): Error =>
  new Error(signal === "SIGKILL" ? `redis-server was killed (SIGKILL), ${memoryAdvice}` : `redis-server was ended by ${signal}`)

/** Enters the cgroup before the program is there, so that all of its memory is charged to that. */
const enterAndRun = 'echo $$ > "$0/cgroup.procs" && exec "$@"'

/** Fails with one line where no process can be put into it. */
const requireGroup = (directory: string): void => {
  try {
    accessSync(join(directory, "cgroup.procs"), constants.W_OK)
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code !== "ENOENT"
    const what = isThere ? "cannot be written to: run this as root" : "is no cgroup: make it first, with mkdir below /sys/fs/cgroup"
    throw new Error(`--server-group: ${directory} ${what}`, { cause: error })
  }
}

const spawnServer = ({ server: program, serverGroup }: RedisServerOptions, socket: string, directory: string): ChildProcess => {
  const args = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", directory, "--loglevel", "warning"]
  return serverGroup === undefined
    ? spawn(program, args, { stdio: "ignore" })
    : spawn("/bin/sh", ["-c", enterAndRun, serverGroup, program, ...args], { stdio: "ignore" })
}

export const startRedisServer = (options: RedisServerOptions): RedisServer => {
  if (options.serverGroup !== undefined) requireGroup(options.serverGroup)
  const directory = mkdtempSync(join(tmpdir(), "wmo-redis-"))
  const path = join(directory, "socket")
  const child = spawnServer(options, path, directory)
  let isUp = false
  let why: Error | undefined
  const ended = new Promise<Error>((resolve) => {
    child.once("exit", (code, signal) => {
      if (code === null) why = killed(signal)
      else if (code === notFoundCode) why = notFound(options.server)
      else why = new Error(`redis-server ended${isUp ? "" : " at once"}, with exit code ${code}`)
      resolve(why)
    })
    child.on("error", (error) => {
      if (child.pid === undefined) resolve((why = (error as NodeJS.ErrnoException).code === "ENOENT" ? notFound(options.server) : error))
    })
  })
  return {
    ended,
    connect: async () => {
      const giveUp = performance.now() + startupMs
      for (;;) {
        try {
          const socket = await connected(path)
          isUp = true
          return socket
        } catch (error) {
          if (why !== undefined) throw why
          if (performance.now() > giveUp) throw error
          await new Promise((resolve) => setTimeout(resolve, pollMs))
        }
      }
    },
    stop: async () => {
      child.kill("SIGKILL")
      await ended
      rmSync(directory, { recursive: true, force: true })
    }
  }
}
