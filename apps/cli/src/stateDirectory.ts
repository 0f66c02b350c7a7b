/**
 * Where journals live: WMO_STATE_DIR, else /run/wmo for root, else the user's runtime or state directory. Never a directory that others
 * can write to: what a journal says is done at the next start.
 */
import { homedir } from "node:os"
import { join } from "node:path"

export const stateDirectory = (): string => {
  const { WMO_STATE_DIR, XDG_RUNTIME_DIR, XDG_STATE_HOME } = process.env
  if (WMO_STATE_DIR) return WMO_STATE_DIR
  if (process.getuid?.() === 0) return "/run/wmo"
  return join(XDG_RUNTIME_DIR || XDG_STATE_HOME || join(homedir(), ".local", "state"), "wmo")
}
