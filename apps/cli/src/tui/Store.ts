/** A view's state and who waits for it to change: the bridge between Effect, which feeds it, and React, which draws it. */
export interface Store<State> {
  readonly get: () => State
  readonly set: (state: State) => void
  /** Calls back after every change until the returned function is called. */
  readonly subscribe: (listener: () => void) => () => void
}

export const makeStore = <State>(initial: State): Store<State> => {
  let state = initial
  const listeners = new Set<() => void>()
  return {
    get: () => state,
    set: (next) => {
      if (next === state) return
      state = next
      for (const listener of listeners) listener()
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}
