/**
 * A compile job: a C project that is generated from a seed, built again and again by make with the system's compiler until the time is up.
 * Mostly page cache and short-lived processes. An operation is a compiled file, its latency the time from make's starting the compiler to its
 * end. At the end the program is linked, run, and has to print what was computed here. Needs make and a C compiler.
 */
import type { Milliseconds } from "@wmo/core"
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createHistogram } from "node:perf_hooks"
import type { OperationsResult } from "./OperationsResult.ts"
import { random } from "./verifiedMemory.ts"

export interface CompileOptions {
  readonly files: number
  /** Functions in each file. */
  readonly functions: number
  readonly jobs: number
  readonly durationMs: Milliseconds
  readonly seed: number
  readonly compiler: string
}

/** An operation is a compiled file. */
export interface CompileResult extends OperationsResult {
  /** Whole ones. */
  readonly builds: number
  /** Of the program's output. */
  readonly wrong_bytes: number
}

/** A generated project: files by name, and what its program prints. */
export interface CProject {
  readonly files: ReadonlyMap<string, string>
  readonly output: string
}

/** Deterministic by seed. Arithmetic is on unsigned 32 bits, the same in C and here. */
export const generateProject = (options: Pick<CompileOptions, "files" | "functions" | "seed" | "compiler">): CProject => {
  const next = random(options.seed)
  const files = new Map<string, string>()
  const units = Array.from({ length: options.files }, (_, index) => `unit${index}`)
  let sum = 0
  for (const unit of units) {
    const bodies: Array<string> = []
    const calls: Array<string> = []
    for (let i = 0; i < options.functions; i++) {
      const start = next()
      const factor = next() | 1
      const rounds = 3 + (next() % 14)
      let value = start
      for (let round = 0; round < rounds; round++) value = (Math.imul(value, factor) ^ (value >>> 7)) >>> 0
      sum = (sum + value) >>> 0
      bodies.push(
        `static uint32_t f${i}(void) {\n  struct point points[${rounds}];\n  uint32_t value = ${start}u;\n` +
          `  for (int i = 0; i < ${rounds}; i++) {\n    value = (value * ${factor}u) ^ (value >> 7);\n` +
          `    points[i].x = (double)value;\n    points[i].name = i % 2 ? "odd" : "even";\n  }\n` +
          `  return strlen(points[${rounds - 1}].name) ? value : 0;\n}\n`
      )
      calls.push(`f${i}()`)
    }
    files.set(`${unit}.c`, `#include "project.h"\n\n${bodies.join("\n")}\nuint32_t ${unit}(void) {\n  return ${calls.join(" + ")};\n}\n`)
  }
  files.set(
    "project.h",
    `#include <math.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n\n` +
      `struct point { double x; const char *name; };\n\n${units.map((unit) => `uint32_t ${unit}(void);`).join("\n")}\n`
  )
  files.set(
    "main.c",
    `#include "project.h"\n\nint main(void) {\n  printf("%u\\n", (unsigned)(${units.map((unit) => `${unit}()`).join(" + ")}));\n  return 0;\n}\n`
  )
  const objects = [...units, "main"].map((unit) => `${unit}.o`).join(" ")
  files.set(
    "Makefile",
    `all: ${objects}\n\n%.o: %.c project.h\n\t@echo "> $@"\n\t@${options.compiler} -O2 -c -o $@ $<\n\t@echo "< $@"\n\nprogram: ${objects}\n\t@${options.compiler} -o $@ ${objects} -lm\n`
  )
  return { files, output: `${sum}\n` }
}

/** How make is ended: asked to, so that it removes what is half made, or at once. */
interface Ending {
  readonly timeUp: AbortSignal
  readonly signal: AbortSignal
}

/**
 * Runs make to its end, or until `timeUp`; false if it was cut off. With all that it started it is a process group of its own: nothing runs any more
 * when this is done. Rejects where it fails.
 */
const make = (
  directory: string,
  args: ReadonlyArray<string>,
  onLine: (line: string) => void,
  { signal, timeUp }: Ending
): Promise<boolean> =>
  new Promise((resolve, reject) => {
    // What a compiler leaves behind when it is killed goes with the directory.
    const env = { ...process.env, TMPDIR: directory }
    const child = spawn("make", args, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"], detached: true })
    const end = (how: NodeJS.Signals) => () => {
      try {
        process.kill(-child.pid!, how)
      } catch {
        // It has ended by itself.
      }
    }
    const [ask, kill] = [end("SIGTERM"), end("SIGKILL")]
    const forget = (): void => {
      timeUp.removeEventListener("abort", ask)
      signal.removeEventListener("abort", kill)
    }
    child.once("error", reject)
    child.once("spawn", () => {
      timeUp.addEventListener("abort", ask)
      signal.addEventListener("abort", kill)
      if (timeUp.aborted) ask()
      if (signal.aborted) kill()
    })
    let rest = ""
    let said = ""
    child.stdout.on("data", (piece: Buffer) => {
      const lines = (rest + piece.toString()).split("\n")
      rest = lines.pop()!
      for (const line of lines) onLine(line)
    })
    child.stderr.on("data", (piece: Buffer) => {
      said = (said + piece.toString()).slice(-500)
    })
    // Not before all that holds its output has ended.
    child.once("close", (code) => {
      forget()
      if (signal.aborted) reject(signal.reason)
      else if (code === 0 || timeUp.aborted) resolve(code === 0)
      else reject(new Error(`make failed: ${said.trim().split("\n").at(-1) ?? `exit code ${code}`}`))
    })
  })

const never = new AbortController().signal

/** When `signal` aborts it is over at once, with all that it started. */
export const runCompile = async (
  options: CompileOptions,
  onLoaded: () => void,
  onMeasured: (result: CompileResult) => void,
  signal: AbortSignal
): Promise<CompileResult> => {
  signal.throwIfAborted()
  const directory = mkdtempSync(join(tmpdir(), "wmo-compile-"))
  try {
    const project = generateProject(options)
    for (const [name, text] of project.files) writeFileSync(join(directory, name), text)
    onLoaded()
    const latency = createHistogram({ lowest: 1, highest: 600_000_000_000, figures: 3 })
    const startedAt = new Map<string, number>()
    const finishedMs: Array<number> = []
    const measuredFromMs = Date.now()
    const start = performance.now()
    const onLine = (line: string) => {
      const now = performance.now()
      const name = line.slice(2)
      if (line.startsWith("> ")) startedAt.set(name, now)
      else if (line.startsWith("< ")) {
        latency.record(Math.max(1, Math.round((now - (startedAt.get(name) ?? now)) * 1e6)))
        finishedMs.push(now - start)
      }
    }
    const timeUp = AbortSignal.timeout(options.durationMs)
    let builds = 0
    while (!timeUp.aborted) {
      const isWhole = await make(directory, ["-B", "-s", `-j${options.jobs}`, "all"], onLine, { timeUp, signal })
      if (isWhole) builds++
    }
    const seconds = options.durationMs / 1000
    const inTime = finishedMs.filter((at) => at < options.durationMs)
    const bySecond = Array.from({ length: Math.floor(seconds) }, () => 0)
    for (const at of inTime) if (at < bySecond.length * 1000) bySecond[Math.floor(at / 1000)]!++
    const measured: CompileResult = {
      operations: inTime.length,
      operations_per_second: inTime.length / seconds,
      seconds,
      operations_by_second: bySecond,
      measured_from_ms: measuredFromMs,
      p50_us: latency.percentile(50) / 1000,
      p99_us: latency.percentile(99) / 1000,
      p999_us: latency.percentile(99.9) / 1000,
      builds,
      wrong_bytes: 0
    }
    onMeasured(measured)
    await make(directory, ["-s", `-j${options.jobs}`, "program"], () => {}, { timeUp: never, signal })
    const output = execFileSync(join(directory, "program")).toString()
    return { ...measured, wrong_bytes: output === project.output ? 0 : Math.max(output.length, project.output.length) }
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  }
}
