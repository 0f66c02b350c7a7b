/** The DAMON suite on the fake kernel, in each of its generations. */
import { testDamon } from "../src/conformance.ts"
import { FakeKernel } from "../src/testing.ts"

testDamon("a fake kernel 6.1", new FakeKernel({ damon: { kernel: [6, 1] }, release: "6.1.0-fake" }).layer)
testDamon("a fake kernel 6.12", new FakeKernel({ damon: { kernel: [6, 12] } }).layer)
testDamon("a fake kernel 6.18", new FakeKernel({ damon: { kernel: [6, 18] }, release: "6.18.0-fake" }).layer)
// As Debian builds its 6.1.
testDamon("a fake kernel without it", new FakeKernel({ damon: false, release: "6.1.0-fake" }).layer)
