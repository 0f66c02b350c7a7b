/** Where journals live: WMO_STATE_DIR, else /run/wmo for root, else the user's runtime directory. */
import { tmpdir } from "node:os"
import { join } from "node:path"

export const stateDirectory = (): string => {
  const { WMO_STATE_DIR, XDG_RUNTIME_DIR } = process.env
  if (WMO_STATE_DIR) return WMO_STATE_DIR
  if (process.getuid?.() === 0) return "/run/wmo"
  return join(XDG_RUNTIME_DIR || join(tmpdir(), `wmo-${process.getuid?.() ?? 0}`), "wmo")
}
