/**
 * The page's files as wmod serves them: the document, one style sheet, an icon, and scripts. Run from source, scripts are the browser's modules with
 * their types stripped, and uPlot as its package has it. In a build, tooling/pagePlugin.ts puts one small script in place of this whole module, so
 * that a bundle carries its page within itself.
 */
import { readdirSync, readFileSync } from "node:fs"
import { createRequire, stripTypeScriptTypes } from "node:module"

export interface Asset {
  readonly contentType: string
  readonly text: string
}

const script = "text/javascript; charset=utf-8"
const here = new URL("./", import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, here), "utf8")

/** Browsers know neither types nor packages. */
const forBrowsers = (source: string): string =>
  stripTypeScriptTypes(source)
    .replaceAll(/(from "\.\/[\w-]+)\.ts"/g, '$1.js"')
    .replaceAll('from "uplot"', 'from "./uPlot.js"')

/** By path. */
export const loadAssets = (): ReadonlyMap<string, Asset> => {
  const uplot = (file: string): string => readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${file}`), "utf8")
  const modules = readdirSync(new URL("browser/", here)).filter((name) => name.endsWith(".ts"))
  return new Map<string, Asset>([
    ["/", { contentType: "text/html; charset=utf-8", text: read("index.html") }],
    ["/page/page.css", { contentType: "text/css; charset=utf-8", text: uplot("uPlot.min.css") + read("page.css") }],
    ["/page/icon.svg", { contentType: "image/svg+xml", text: read("icon.svg") }],
    ["/page/uPlot.js", { contentType: script, text: uplot("uPlot.esm.js") }],
    ...modules.map((name): [string, Asset] => [
      `/page/${name.replace(".ts", ".js")}`,
      { contentType: script, text: forBrowsers(read(`browser/${name}`)) }
    ])
  ])
}
