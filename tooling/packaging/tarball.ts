/** The tarball: the tree in a directory of its own, with `install.sh`. Needs GNU tar; sorted, without names or times of whoever built it. */
import { execFileSync } from "node:child_process"
import { chmodSync, cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { root, type What } from "./stage.ts"

/** Returns the file that was made. */
export const buildTarball = (tree: string, out: string, { epoch, version, withNode }: What): string => {
  const name = `wmo-${version}-linux-${process.arch}${withNode ? "" : "-without-node"}`
  const file = join(out, `${name}.tar.gz`)
  const script = join(tree, "install.sh")
  cpSync(join(root, "deploy/install.sh"), script)
  chmodSync(script, 0o755)
  const same = ["--sort=name", `--mtime=@${epoch}`, "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]
  execFileSync("tar", [...same, `--transform=s,^\\.,${name},`, "--use-compress-program=gzip -n -6", "-cf", file, "-C", tree, "."])
  rmSync(script)
  return file
}
