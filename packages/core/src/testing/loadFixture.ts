/**
 * A captured kernel tree (see Capture) as a fake file system: reads answer what the real kernel answered, refusals included.
 * Writes replace a file's content and have no effects: for effects there is FakeKernel.
 */
import { Layer, Schema } from "effect"
import { readFileSync } from "node:fs"
import { type CaptureManifest, captureManifest } from "../Capture.ts"
import { Cgroups } from "../Cgroups.ts"
import { KernFs } from "../KernFs.ts"
import { KernelRoots } from "../KernelRoots.ts"
import { Errno, FakeFs } from "./FakeFs.ts"

export interface Fixture {
  readonly manifest: CaptureManifest
  readonly fs: FakeFs
  /** With the roots that the capture was made with. */
  readonly layer: Layer.Layer<KernFs | Cgroups>
}

/** Loads the fixture in `directory`. Throws where it is not one: a test should fail loudly. */
export const loadFixture = (directory: string): Fixture => {
  const manifest = Schema.decodeUnknownSync(captureManifest)(JSON.parse(readFileSync(`${directory}/manifest.json`, "utf8")))
  const fs = new FakeFs()
  for (const { error, mode, path } of manifest.files) {
    const refuse = (code: string) => ({
      read: (): string => {
        throw new Errno(code)
      }
    })
    fs.file(path, error === undefined ? readFileSync(`${directory}/root${path}`, "utf8") : refuse(error), mode)
  }
  const roots = Layer.succeed(KernelRoots, { tracing: "/sys/kernel/tracing", ...manifest.roots })
  const layer = Cgroups.layer.pipe(Layer.provideMerge(KernFs.layerOver(fs)), Layer.provideMerge(roots))
  return { manifest, fs, layer }
}
