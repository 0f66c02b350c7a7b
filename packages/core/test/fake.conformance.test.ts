/** The conformance suites on the fake kernel. */
import { testCgroups, testJournal, testKernFs, testMglru } from "../src/conformance.ts"
import { FakeKernel, makeSimpleMemcg } from "../src/testing.ts"

const generation = (seq: number, anonPages: number) => ({ seq, ageMs: (4 - seq) * 1000, anonPages, filePages: 0 })

const makeLayer = () => {
  const nodes = [{ node: 0, generations: [generation(0, 20_000), generation(1, 3000), generation(2, 0), generation(3, 0)] }]
  const kernel = new FakeKernel({ memcg: (_, limits) => makeSimpleMemcg({ nodes }, limits) })
  const control = kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1)
  kernel.fs.writeSync(control, new TextEncoder().encode("+memory"))
  kernel.fs.closeSync(control)
  return kernel.layer
}

testKernFs("the fake kernel", makeLayer())
testCgroups("the fake kernel", makeLayer())
testMglru("the fake kernel", makeLayer())
testJournal("the fake kernel", makeLayer())
