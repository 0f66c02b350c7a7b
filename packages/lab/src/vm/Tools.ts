/**
 * The programs of this machine that the VM lab uses: finding them on PATH, and running one to its end.
 * Output of a program that fails becomes the message; nothing is printed from here.
 */
import { execFile } from "node:child_process"
import { accessSync, constants, openSync, closeSync, readSync, statSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect } from "effect"
import { vmError, type VmError } from "./VmError.ts"

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The full path of a program: looked up on `path` (as in $PATH), or relative to `cwd` where it has a slash. */
export const findProgram = (name: string, path: string, cwd: string = process.cwd()): string | undefined =>
  name.includes("/")
    ? [resolve(cwd, name)].find(isProgram)
    : path
        .split(":")
        .map((directory) => join(resolve(cwd, directory), name))
        .find(isProgram)

/** The caller's PATH with the places where a plain user misses system tools. */
export const toolPath = (): string => `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/bin:/sbin:/bin`

/** True for an ELF executable that needs no dynamic loader (no PT_INTERP): such a one runs in an empty root. */
export const isStatic = (path: string): boolean => {
  const head = Buffer.alloc(4096)
  let fd: number
  try {
    fd = openSync(path, "r")
  } catch {
    return false
  }
  try {
    readSync(fd, head, 0, head.length, 0)
  } finally {
    closeSync(fd)
  }
  if (head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2) return false
  const table = Number(head.readBigUInt64LE(32))
  const size = head.readUInt16LE(54)
  const count = head.readUInt16LE(56)
  if (table + size * count > head.length) return false
  return !Array.from({ length: count }, (_, index) => head.readUInt32LE(table + index * size)).includes(3)
}

/**
 * Runs a program and gives its standard output as bytes. Interruption kills it.
 * Fails with reason `Install`, naming the program and its last line on standard error.
 */
export const runTool = (
  program: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}
): Effect.Effect<Buffer, VmError> =>
  Effect.callback((resume) => {
    const child = execFile(
      program,
      [...args],
      { ...options, env: { ...process.env, LC_ALL: "C", ...options.env }, encoding: "buffer", maxBuffer: 2 ** 30 },
      (error, stdout, stderr) => {
        if (error === null) return resume(Effect.succeed(stdout))
        const said = stderr.toString().trim().split("\n").at(-1) ?? ""
        resume(Effect.fail(vmError("Install", `${[program, ...args].join(" ")} failed: ${said === "" ? error.message : said}`)))
      }
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })
