import { pagePlugin } from "../../tooling/pagePlugin.ts"
import { library } from "../../tooling/tsup.ts"

export default { ...library("src/client.ts"), esbuildPlugins: [pagePlugin] }
