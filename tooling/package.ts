/**
 * `pnpm package`: a Debian package (where there is dpkg-deb) and a tarball of `wmo` and `wmod`, for this machine's architecture, from the bundles that turbo
 * built before. The same sources and SOURCE_DATE_EPOCH give the same bytes. `--without-node` leaves Node.js out, `--out DIR` says where they go.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { buildDebian, hasDpkg } from "./packaging/debian.ts"
import { root, stage } from "./packaging/stage.ts"
import { buildTarball } from "./packaging/tarball.ts"

const { values } = parseArgs({
  options: { out: { type: "string", default: join(root, "dist") }, "without-node": { type: "boolean", default: false } }
})

const lastCommit = (): string => execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" }).trim()
const { version } = JSON.parse(readFileSync(join(root, "apps/daemon/package.json"), "utf8")) as { readonly version: string }
const out = resolve(values.out)
const scratch = mkdtempSync(join(tmpdir(), "wmo-package-"))
const what = { version, withNode: !values["without-node"], epoch: Number(process.env["SOURCE_DATE_EPOCH"] ?? lastCommit()) }

try {
  const tree = join(scratch, "tree")
  stage(tree, what)
  mkdirSync(out, { recursive: true })
  const made = [buildTarball(tree, out, what)]
  if (hasDpkg()) made.push(buildDebian(tree, out, what))
  else console.error("no dpkg-deb here: no Debian package was made")
  for (const file of made) {
    const digest = createHash("sha256").update(readFileSync(file)).digest("hex")
    console.log(`${digest}  ${file} (${(statSync(file).size / 2 ** 20).toFixed(1)} MiB)`)
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
