/**
 * Puts wmod's page into a bundle: in place of `packages/daemon/src/page/assets.ts`, which reads and strips sources, a module that holds the files as
 * text, with all scripts and uPlot in one. Does nothing to bundles without that module.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import type { Options } from "tsup"

type Plugin = NonNullable<Options["esbuildPlugins"]>[number]

export const pagePlugin: Plugin = {
  name: "wmod's page",
  setup({ esbuild, onLoad }) {
    onLoad({ filter: /[\\/]daemon[\\/]src[\\/]page[\\/]assets\.ts$/ }, async ({ path }) => {
      const directory = dirname(path)
      const read = (file: string): string => readFileSync(join(directory, file), "utf8")
      const common = {
        absWorkingDir: directory,
        bundle: true,
        minify: true,
        write: false,
        legalComments: "none",
        target: "es2022"
      } as const
      const { metafile, outputFiles } = await esbuild.build({
        ...common,
        entryPoints: ["browser/main.ts"],
        format: "esm",
        platform: "browser",
        metafile: true
      })
      const uplotCss = readFileSync(createRequire(path).resolve("uplot/dist/uPlot.min.css"), "utf8")
      const css = await esbuild.transform(uplotCss + read("page.css"), { loader: "css", minify: true })
      const files = {
        "/": { contentType: "text/html; charset=utf-8", text: read("index.html") },
        "/page/page.css": { contentType: "text/css; charset=utf-8", text: css.code },
        "/page/icon.svg": { contentType: "image/svg+xml", text: read("icon.svg") },
        "/page/main.js": { contentType: "text/javascript; charset=utf-8", text: outputFiles[0]!.text }
      }
      return {
        contents: `export const loadAssets = () => new Map(Object.entries(${JSON.stringify(files)}))`,
        loader: "js",
        watchFiles: Object.keys(metafile.inputs).map((file) => join(directory, file))
      }
    })
  }
}
