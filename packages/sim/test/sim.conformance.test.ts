/** Core's conformance suites on the simulated kernel, in its virtual time. */
import { testCgroups, testDamon, testGroupTree, testJournal, testKernFs, testMglru, testZram, testZswap } from "@wmo/core/conformance"
import { Layer } from "effect"
import { SimClock } from "../src/index.ts"
import { idle, withGroups, workload } from "./harness.ts"

/** A kernel with a workload, so that there are pages and generations to see. */
const makeLayer = () => {
  const adopt = () => workload(20_000, [idle], { loadUs: 0.1 })
  const sim = withGroups({ seed: 1, swapDevice: "zram", adopt }, ["demo"])
  sim.addWorkload("demo", workload(20_000, [idle], { loadUs: 0.1 }))
  sim.advance(1000)
  return Layer.merge(sim.layer, SimClock.layer(sim))
}
const name = "the simulated kernel"

testKernFs(name, makeLayer())
testCgroups(name, makeLayer())
testGroupTree(name, makeLayer())
testMglru(name, makeLayer())
testJournal(name, makeLayer())
testZswap(name, makeLayer())
testZram(name, makeLayer())
testDamon(name, makeLayer())
