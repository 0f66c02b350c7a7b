/** A process of its own for the kernel suite: runs a command in a guest until it ends or a signal interrupts it. */
import { Cause, Effect, Exit, Fiber } from "effect"
import { defaultVmOptions, vmRun } from "../src/vm/index.ts"

// Before the fork, which starts QEMU before it returns: a signal in between would end this process unheard.
process.on("SIGINT", () => fiber.interruptUnsafe())
const fiber = Effect.runFork(
  vmRun(process.argv.slice(2), defaultVmOptions, { stdin: undefined, stdout: process.stdout, stderr: process.stderr })
)
const exit = await Effect.runPromise(Fiber.await(fiber))
process.exit(Exit.isSuccess(exit) ? exit.value.exitCode : Cause.hasInterruptsOnly(exit.cause) ? 130 : 1)
