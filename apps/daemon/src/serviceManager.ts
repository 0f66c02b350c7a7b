/**
 * Tells systemd how it goes (Type=notify, WatchdogSec), through `systemd-notify`: Node has no datagram sockets of the Unix kind. Does nothing where
 * nobody asked (NOTIFY_SOCKET). Needs NotifyAccess=all, since the message comes from a child. Protocol: sd_notify(3).
 */
import { Effect, type Scope } from "effect"
import { execFile } from "node:child_process"

const isAsked = (): boolean => process.env["NOTIFY_SOCKET"] !== undefined

/** What cannot be said is not worth an end. */
const say = (text: string): Effect.Effect<void> =>
  Effect.suspend(() =>
    isAsked()
      ? Effect.callback<void>((resume) => {
          execFile("systemd-notify", [text], () => resume(Effect.void))
        })
      : Effect.void
  )

/** `READY=1` now, a sign of life three times a watchdog's period, `STOPPING=1` when the scope closes. */
export const tellServiceManager: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const periodMs = Number(process.env["WATCHDOG_USEC"] ?? 0) / 1000
  yield* Effect.addFinalizer(() => say("STOPPING=1"))
  yield* say("READY=1")
  if (periodMs > 0) yield* Effect.forkScoped(Effect.forever(Effect.andThen(say("WATCHDOG=1"), Effect.sleep(periodMs / 3))))
})
