/**
 * Waiting for POLLPRI on descriptors: all waits of the process share one poll(2) on one pool thread, woken through an eventfd when
 * the set changes; with nobody waiting no thread is held. Does not know what the events mean.
 */
import * as nodeFs from "node:fs"
import { type Libc, loadLibc } from "./libc.ts"

const POLLIN = 0x01
const POLLPRI = 0x02
/** POLLERR, POLLHUP, POLLNVAL. */
const pollFailed = 0x38

interface Waiter {
  readonly fd: number
  readonly resume: (isError: boolean, problem?: unknown) => void
}

const waiters = new Set<Waiter>()
let isRunning = false
/** The eventfd, while the loop runs. */
let waker: number | undefined

const one = new Uint8Array(new BigUint64Array([1n]).buffer)

/** Makes the poll at work return. */
const wake = (): void => {
  if (waker !== undefined) nodeFs.writeSync(waker, one)
}

const pollOnce = async (libc: Libc, eventfd: number): Promise<void> => {
  const batch = [...waiters]
  const { result, revents } = await libc.poll([{ fd: eventfd, events: POLLIN }, ...batch.map(({ fd }) => ({ fd, events: POLLPRI }))], -1)
  if (result.errno === "EINTR") return
  if (result.errno !== undefined) throw Object.assign(new Error("poll"), { code: result.errno })
  if ((revents[0]! & POLLIN) !== 0) nodeFs.readSync(eventfd, new Uint8Array(8))
  batch.forEach((waiter, i) => {
    const events = revents[i + 1]!
    // A waiter that was cancelled meanwhile may have closed its descriptor: only those still waiting are told.
    if (events !== 0 && waiters.delete(waiter)) waiter.resume((events & pollFailed) !== 0)
  })
}

const run = async (): Promise<void> => {
  let libc: Libc | undefined
  try {
    libc = await loadLibc()
    const made = libc.eventfd()
    if (made.errno !== undefined) throw Object.assign(new Error("eventfd"), { code: made.errno })
    waker = made.value
    while (waiters.size > 0) await pollOnce(libc, waker)
  } catch (problem) {
    const all = [...waiters]
    waiters.clear()
    for (const { resume } of all) resume(false, problem)
  } finally {
    if (waker !== undefined) libc?.close(waker)
    waker = undefined
    isRunning = false
  }
  // Somebody may have come while the last ones were being told.
  if (waiters.size > 0) start()
}

const start = (): void => {
  if (isRunning) return wake()
  isRunning = true
  void run()
}

/** Calls `resume` once, when `fd` has POLLPRI or an error; `problem` where it cannot be waited for. Gives what cancels. */
export const awaitEvent = (fd: number, resume: (isError: boolean, problem?: unknown) => void): (() => void) => {
  const waiter = { fd, resume }
  waiters.add(waiter)
  start()
  return () => {
    if (waiters.delete(waiter)) wake()
  }
}
