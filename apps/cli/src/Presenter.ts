/** How the command line shows help and usage errors: help as the library prints it, an error as one line that says what to do. */
import { Console, type Layer } from "effect"
import { CliOutput } from "effect/cli"

export const presenter: Layer.Layer<never> = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const problems = event.errors.map((error) => error.message.replaceAll("\n", " ").trim()).join("; ")
    return Console.error(`wmo: ${problems} (see \`${event.commandPath.join(" ")} --help\`)`)
  }
})
