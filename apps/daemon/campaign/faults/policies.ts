/** A third party's policy that throws, answers nonsense, or spins: in a group of its own, `odd`, beside those that must go on. */
import { writeFileSync } from "node:fs"
import type { Fault } from "../Fault.ts"
import type { Seeded } from "../seeded.ts"

const throwing = [
  `throw new Error("it broke")`,
  `throw undefined`,
  `throw { get message() { throw new Error("worse") } }`,
  `return null.nothing`,
  `state.x.y = 1`,
  `const f = () => f(); return f()`
]
const nonsense = [
  `return undefined`,
  `return 7`,
  `return { actions: "all", reason: "x", state }`,
  `return { actions: [null], reason: "x", state }`,
  `return { actions: [{ _tag: "Reclaim", bytes: -1 }], reason: "x", state }`,
  `return { actions: [{ _tag: "Reclaim", bytes: "12" }], reason: "x", state }`,
  `return { actions: [{ _tag: "Reclaim", bytes: 1e300 }], reason: "x", state }`,
  `return { actions: [{ _tag: "SetHigh", limit: NaN }], reason: "x", state }`,
  `return { actions: [{ _tag: "SetHigh", limit: 0 }], reason: "x", state }`,
  `return { actions: [{ _tag: "SetHigh", limit: 1e300 }], reason: "x", state }`,
  `return { actions: [{ _tag: "toString" }], reason: "x", state }`,
  `return { actions: [{ _tag: "SetSchemes", on: "physical", intervals: {}, nrRegions: {}, schemes: [{}] }], reason: "x", state }`,
  `return { actions: [{ _tag: "SetSchemes", on: "processes", intervals: { sampleUs: "x" }, nrRegions: 7, schemes: [{ action: 7 }] }], reason: "x", state }`,
  `return { actions: [{ _tag: "SetDamonModule", module: "damon_reclaim", parameters: { minAgeUs: "x" } }], reason: "x", state }`,
  `return { actions: [{ _tag: "Evict", bytes: 1e18, olderThanMs: 0 }], reason: "x", state }`,
  `return { actions: [], reason: "x".repeat(1e6), state }`,
  `return { actions: [], reason: { toString() { throw 1 } }, state }`,
  `return { get actions() { throw new Error("no actions") }, reason: "x", state }`,
  `return new Proxy({}, { get() { throw new Error("no fields") } })`,
  `return { actions: [], reason: "x", state: { loop: globalThis } }`,
  `return Promise.resolve({ actions: [], reason: "later", state })`,
  `return { actions: Array.from({ length: 1e5 }, () => ({ _tag: "Age" })), reason: "x", state }`
]
const spinning = [
  `for (;;);`,
  `while (true) try { for (;;); } catch {}`,
  `return { get actions() { for (;;); }, reason: "x", state }`,
  `return { actions: [{ get _tag() { for (;;); } }], reason: "x", state }`,
  `throw { toString() { for (;;); } }`,
  `throw new (class extends Error { get message() { for (;;); } })()`,
  `return new Proxy({}, { get() { for (;;); } })`,
  `"a".repeat(40).match(/(a+)+b/)`
]

/** After a few good answers, now and then. */
const moduleOf = (body: string, seeded: Seeded): string => `
let asked = 0
export default {
  name: "odd", summary: "Odd.", source: "a fault", settings: {}, needs: [], initialState: { n: 0 },
  decide: (input, state) => {
    asked++
    if (asked <= ${seeded.whole(0, 3)}) return { actions: [{ _tag: "SetHigh", limit: 64 * 2 ** 20 }], reason: "good", state }
    ${body}
  }
}`

const oddPolicy = (kind: string, bodies: ReadonlyArray<string>): Fault => ({
  kind,
  exempt: ["odd"],
  strike: async (stage, seeded) => {
    writeFileSync(stage.place("odd.mjs"), moduleOf(seeded.pick(bodies), seeded))
    stage.addGroup("odd")
    stage.configure({ keys: "policies: [./odd.mjs]", moreRules: "\n  - { match: odd, policy: odd }" })
    await stage.ask((client) => client.Reload())
    await stage.pass(seeded.whole(3, 8))
  }
})

export const policyFaults: ReadonlyArray<Fault> = [
  oddPolicy("policy throws", throwing),
  oddPolicy("policy answers nonsense", nonsense),
  oddPolicy("policy spins", spinning)
]
