/** `wmo arena`: memory that is held compressed while it is cold and restored before it is touched: in a program of ours, and in any process. */
import { Command } from "effect/cli"
import { arenaTools } from "./arenaTools.ts"
import { arenaAdvise, arenaWatch } from "./arenaProcess.ts"

export const arena = Command.make("arena").pipe(
  Command.withDescription("Holds cold memory compressed and restores it before it is touched."),
  Command.withSubcommands([...arenaTools, arenaWatch, arenaAdvise])
)
