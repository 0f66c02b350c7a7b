/**
 * Imported first by every guest test: they start kdamonds, set limits and reclaim, and must never do that to the machine they are developed
 * on, whichever way the runner is called (a bare `vitest run` in a package finds them, too). The lab's guests say what they are on the
 * kernel's command line.
 */
import { readFileSync } from "node:fs"

if (!/(^| )wmo\.guest( |$)/.test(readFileSync("/proc/cmdline", "utf8").trim()))
  throw new Error("guest tests change the kernel they run on: run them in the VM lab, with `node tooling/test-kernel.ts FILE`")
