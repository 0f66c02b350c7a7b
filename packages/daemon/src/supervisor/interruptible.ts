/**
 * Runs synchronous code that is not ours for at most so long: `node:vm` ends even an endless loop, by V8's own means, from a thread that looks at
 * the clock. Costs tens of microseconds a call; memory that the code takes is not bounded.
 */
import { Script } from "node:vm"

const slot = Symbol.for("@wmo/daemon/call")
const call = new Script(`globalThis[Symbol.for("@wmo/daemon/call")]()`)

const isTimeout = (thrown: unknown): boolean => (thrown as { readonly code?: unknown } | undefined)?.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"

/** Throws what `run` throws, or an error that says so when it took longer than `limitMs`. */
export const withinTime = <A>(limitMs: number, run: () => A): A => {
  const place = globalThis as unknown as Record<symbol, unknown>
  place[slot] = run
  try {
    return call.runInThisContext({ timeout: limitMs }) as A
  } catch (thrown) {
    throw isTimeout(thrown) ? new Error(`it took longer than ${limitMs} ms`) : thrown
  } finally {
    delete place[slot]
  }
}
