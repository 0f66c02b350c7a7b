/**
 * The Debian package, by dpkg-deb alone: the tree below /usr, /etc/wmod.yaml as a conffile, and the maintainer scripts of `deploy/debian`.
 * Reproducible by SOURCE_DATE_EPOCH. Format: deb(5), deb-control(5).
 */
import { execFileSync, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { root, type What } from "./stage.ts"

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" }

export const hasDpkg = (): boolean => spawnSync("dpkg-deb", ["--version"]).status === 0

const filesBelow = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const full = join(directory, entry.name)
    return entry.isDirectory() ? filesBelow(full) : [full]
  })

const control = ({ version, withNode }: What, kibibytes: number): string =>
  [
    "Package: wmo",
    `Version: ${version}`,
    `Architecture: ${architectures[process.arch] ?? process.arch}`,
    "Maintainer: WMO developers <wmo@localhost>",
    `Installed-Size: ${kibibytes}`,
    // What nodejs.org's binary is linked with; the other one is for a nodejs newer than that of Debian 13.
    `Depends: ${withNode ? "libc6 (>= 2.28), libstdc++6 (>= 6), libgcc-s1" : "nodejs (>= 22.13), libc6 (>= 2.28)"}, init-system-helpers (>= 1.54)`,
    "Recommends: systemd",
    "Section: admin",
    "Priority: optional",
    "Description: gives back memory that workloads hold but do not use",
    " wmod looks after control groups by policies with feedback, budgets and an",
    " emergency stop, and puts every setting back that it has changed. wmo asks it,",
    " and shows, records and compares what memory does.",
    " .",
    ` Begins as a dry run, and is not enabled by itself.${withNode ? " Carries its own Node.js." : ""}`,
    ""
  ].join("\n")

/** Returns the file that was made. */
export const buildDebian = (tree: string, out: string, what: What): string => {
  const { epoch, version, withNode } = what
  const package_ = join(tree, "../debian")
  cpSync(tree, join(package_, "usr"), { recursive: true })
  mkdirSync(join(package_, "etc"))
  cpSync(join(root, "deploy/wmod.yaml"), join(package_, "etc/wmod.yaml"))
  cpSync(join(root, "deploy/debian/copyright"), join(package_, "usr/share/doc/wmo/copyright"))
  const files = filesBelow(package_).toSorted()
  const kibibytes = files.reduce((sum, file) => sum + Math.ceil(statSync(file).size / 1024), 0)
  const information = join(package_, "DEBIAN")
  mkdirSync(information)
  const sums = files.map((file) => `${createHash("md5").update(readFileSync(file)).digest("hex")}  ${relative(package_, file)}\n`)
  writeFileSync(join(information, "md5sums"), sums.join(""))
  writeFileSync(join(information, "control"), control(what, kibibytes))
  writeFileSync(join(information, "conffiles"), "/etc/wmod.yaml\n")
  for (const script of ["postinst", "prerm", "postrm"]) {
    cpSync(join(root, "deploy/debian", script), join(information, script))
    chmodSync(join(information, script), 0o755)
  }
  execFileSync("chmod", ["-R", "u=rwX,go=rX", package_])
  const name = `wmo${withNode ? "" : "-without-node"}_${version}_${architectures[process.arch] ?? process.arch}.deb`
  // One thread: what several make of it depends on how many there are.
  const compression = ["-Zxz", "-z2", "--threads-max=1"]
  execFileSync("dpkg-deb", ["--root-owner-group", ...compression, "--build", package_, join(out, name)], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    stdio: ["ignore", "ignore", "inherit"]
  })
  return join(out, name)
}
