/** Progress of long work on stderr: one line that is rewritten on a terminal, one line a finished step elsewhere. */
const width = 30

export interface Progress {
  /** `step` of the steps is `share` (0..1) done. */
  readonly show: (step: number, share: number, label: string) => void
  readonly finish: (step: number, label: string) => void
  readonly clear: () => void
}

export const makeProgress = (steps: number): Progress => {
  const isTerminal = process.stderr.isTTY === true
  let shown = -1
  const clear = () => {
    if (isTerminal && shown >= 0) process.stderr.write("\r\x1b[K")
    shown = -1
  }
  return {
    clear,
    show: (step, share, label) => {
      const percent = Math.min(100, Math.floor(((step + Math.min(1, share)) / steps) * 100))
      if (!isTerminal || percent === shown) return
      shown = percent
      const filled = Math.round((percent / 100) * width)
      process.stderr.write(`\r\x1b[K  ${"█".repeat(filled)}${"░".repeat(width - filled)} ${String(percent).padStart(3)} %  ${label}`)
    },
    finish: (step, label) => {
      if (!isTerminal) process.stderr.write(`  ${step + 1}/${steps} ${label}\n`)
    }
  }
}
