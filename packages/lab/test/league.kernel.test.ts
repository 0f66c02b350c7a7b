import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { requireKernel } from "../src/league/requireGuest.ts"
import { vmCacheAt } from "../src/vm/VmCache.ts"

const scratch = mkdtempSync(join(tmpdir(), "wmo-league-kernel-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** The start of a boot image, with what is looked for in its unpacked package. */
const writeKernel = (root: string, version: string, zswap: boolean): void => {
  const tree = join(vmCacheAt(root).kernels, version)
  const modules = join(tree, "lib", "modules", version)
  for (const directory of [join(tree, "boot"), join(modules, "kernel")]) mkdirSync(directory, { recursive: true })
  const image = Buffer.alloc(0x1000)
  image.write("HdrS", 0x202)
  image.writeUInt16LE(0x400, 0x20e)
  image.write(`${version} (somebody) #1\0`, 0x600)
  writeFileSync(join(tree, "boot", `vmlinuz-${version}`), image)
  writeFileSync(join(tree, "boot", `config-${version}`), zswap ? "CONFIG_ZSWAP=y\n" : "# CONFIG_ZSWAP is not set\n")
  writeFileSync(join(modules, "modules.builtin"), "")
}

describe("the kernel of a league's guests", () => {
  const refusal = (root: string, kernelSeries: string | null) =>
    Effect.map(Effect.flip(requireKernel(vmCacheAt(root), { kernelSeries })), ({ message }) => message)

  it.effect("is there before the league starts, or the one line advises what the league takes", () =>
    Effect.gen(function* () {
      const root = join(scratch, "cache")
      assert.match(yield* refusal(root, null), /^no kernel for the VM yet: run `wmo vm setup --install`$/)
      writeKernel(root, "6.12.117-amd64", true)
      writeKernel(root, "6.13.1-cloud", false)
      yield* requireKernel(vmCacheAt(root), { kernelSeries: "6.12" })
      assert.match(
        yield* refusal(root, "9.9"),
        /^no 9\.9 kernel for the VM, there is 6\.13\.1-cloud, 6\.12\.117-amd64: see `wmo vm setup --help`$/
      )
      assert.match(
        yield* refusal(root, null),
        /^the kernel 6\.13\.1-cloud has no zswap.*--kernel-series of 6\.13\.1-cloud, 6\.12\.117-amd64$/
      )
    })
  )
})
