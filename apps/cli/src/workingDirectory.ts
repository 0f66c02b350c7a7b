/**
 * pnpm runs a script in the directory of its package; file names on the command line are meant from where the user stands. Only for the
 * scripts of this repository: a `wmo` inside somebody else's script runs where that script put it.
 */
import { dirname } from "node:path"

export const standWhereTheUserStands = (): void => {
  const { INIT_CWD, npm_package_json: manifest, npm_package_name: name } = process.env
  if (INIT_CWD === undefined || manifest === undefined || name !== "wmo-workspace" || process.cwd() !== dirname(manifest)) return
  try {
    process.chdir(INIT_CWD)
  } catch {
    // It is gone: the package's directory is as good as any.
  }
}
