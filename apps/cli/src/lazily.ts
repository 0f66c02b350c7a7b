/**
 * Commands are declared up front, since help and errors need all of them; what they do is loaded when they run, so that a start costs only
 * what it uses. The bundler makes a chunk of each action.
 */
import { Effect } from "effect"

/** The handler that `load` brings. */
export const lazily =
  <Flags, E, R>(load: () => Promise<(flags: Flags) => Effect.Effect<void, E, R>>) =>
  (flags: Flags): Effect.Effect<void, E, R> =>
    Effect.flatMap(Effect.promise(load), (action) => action(flags))
