/**
 * Runs a program of `campaign/guest` in the VM's guest, as root on a kernel of its own, with its output passed through and its exit code. Needs
 * `wmo vm setup`, and the bundles (`turbo run build --filter=@wmo/cli --filter=@wmo/wmod`).
 */
import { spawn } from "node:child_process"
import { join } from "node:path"

const root = join(import.meta.dirname, "../../..")
const machine = ["--memory", "2G", "--cpus", "2", "--zswap", "lz4", "--swap", "zram:1G"]

/** The exit code of the program, or 1 where the guest did not come up. */
export const inVm = (program: string, args: ReadonlyArray<string>, timeoutMinutes: number): Promise<number> =>
  new Promise((resolve) => {
    const guest = [process.execPath, join(import.meta.dirname, "guest", program), ...args]
    const wmo = [join(root, "apps/cli/dist/wmo.js"), "vm", "run", ...machine, "--timeout", `${timeoutMinutes}m`, "--", ...guest]
    spawn(process.execPath, wmo, { cwd: root, stdio: "inherit" }).on("close", (code) => resolve(code ?? 1))
  })
