/** Which codec reads which of the DAMON files. */
import { adminFields, below, type Fields } from "../damon/DamonLayout.ts"
import { damonModuleFiles } from "../damon/DamonModules.ts"
import { signedFile } from "../damon/DamonFiles.ts"
import type { PathCodec } from "./codecForPath.ts"

const patternOf = (path: string): RegExp => new RegExp(`/mm/damon/admin/${path}$`)

const walk = (directory: string, fields: Fields): ReadonlyArray<PathCodec> =>
  Object.values(fields).flatMap((field): ReadonlyArray<PathCodec> => {
    const path = directory === "" ? field.path : below(directory, field.path)
    if (field.kind === "file") return [[patternOf(path), () => field.codec]]
    if (field.kind === "group") return walk(path, field.fields)
    const count: ReadonlyArray<PathCodec> = field.count === undefined ? [] : [[patternOf(`${path}/${field.count}`), signedFile]]
    return [...count, ...walk(`${path}/\\d+`, field.fields)]
  })

const moduleFiles = Object.entries(damonModuleFiles).flatMap(([module, files]) =>
  Object.values(files).map((codec): PathCodec => [new RegExp(`/module/${module}/parameters/${codec.file}$`), () => codec])
)

export const damonFiles: ReadonlyArray<PathCodec> = [...walk("", adminFields), ...moduleFiles]
