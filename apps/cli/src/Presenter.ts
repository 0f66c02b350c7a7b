/** How the command line shows help and usage errors: help as the library prints it, an error as one line that says what to do. */
import { Console, type Layer } from "effect"
import { CliOutput } from "effect/cli"

/** The library's message as one phrase of ours. */
const phrase = (message: string): string =>
  message
    .trim()
    .replace(/\s*Did you mean this\?\s*(\S+)(?:\s+\S+)*$/, "; did you mean $1?")
    .replace("Expected: Schema validation failed: ", "")
    .replace(/\s+/g, " ")

export const presenter: Layer.Layer<never> = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const problems = event.errors.map(({ message }) => phrase(message)).join("; ")
    return Console.error(`wmo: ${problems} (see \`${event.commandPath.join(" ")} --help\`)`)
  }
})
