/** A state on the screen: ink draws its lines, one row each, and only those that changed; keys go to the store. No layout of its own. */
import { Box, Text, useApp, useInput, useWindowSize } from "ink"
import { createElement, useSyncExternalStore } from "react"
import { fitLine, type Line } from "@wmo/report"
import { ansiLine } from "./ansi.ts"
import { keysOf } from "./keys.ts"
import type { Size } from "./Terminal.ts"
import type { Store } from "./Store.ts"

export interface ScreenProps<State> {
  readonly store: Store<State>
  readonly view: (state: State, size: Size) => ReadonlyArray<Line>
  readonly onKey: (key: string, size: Size) => void
  readonly isColored: boolean
}

/** What ctrl+z does elsewhere: the whole job stops here, and goes on here after `fg`. Where nobody could continue it, the kernel does nothing. */
const stop = (): void => {
  process.kill(0, "SIGTSTP")
}

const Screen = <State>({ isColored, onKey, store, view }: ScreenProps<State>) => {
  const size = useWindowSize()
  const state = useSyncExternalStore(store.subscribe, store.get)
  const { suspendTerminal } = useApp()
  useInput((input, key) =>
    keysOf(input, key).forEach((name) => {
      if (name === "ctrl+z") void suspendTerminal(stop)
      else onKey(name, size)
    })
  )
  const lines = view(state, size).slice(0, size.rows)
  const rows = Array.from({ length: size.rows }, (_, i) => {
    const text = ansiLine(fitLine(lines[i] ?? [], size.columns), isColored)
    return createElement(Text, { key: i, wrap: "truncate-end" }, text)
  })
  return createElement(Box, { flexDirection: "column", height: size.rows, overflow: "hidden" }, rows)
}

/** Here, since React is CommonJS: imported as the program runs, its names are not found in the bundle. */
export const screenElement = <State>(props: ScreenProps<State>) => createElement(Screen<State>, props)
