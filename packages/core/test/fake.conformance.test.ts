/** The conformance suites on the fake kernel. */
import { Duration, Effect } from "effect"
import {
  testCgroups,
  testGroupTree,
  testJournal,
  testKernFs,
  testMglru,
  type TestMemory,
  testPages,
  testPressure,
  testProcesses,
  testZram,
  testZswap
} from "../src/conformance.ts"
import { FakeKernel, makeSimpleMemcg, type SimpleMemcg } from "../src/testing.ts"

const generation = (seq: number, anonPages: number) => ({ seq, ageMs: (4 - seq) * 1000, anonPages, filePages: 0 })

const makeKernel = () => {
  const nodes = [{ node: 0, generations: [generation(0, 20_000), generation(1, 3000), generation(2, 0), generation(3, 0)] }]
  const kernel = new FakeKernel({ memcg: (_, limits) => makeSimpleMemcg({ nodes }, limits), zram: true })
  const control = kernel.fs.openSync("/sys/fs/cgroup/cgroup.subtree_control", 1)
  kernel.fs.writeSync(control, new TextEncoder().encode("+memory"))
  kernel.fs.closeSync(control)
  return kernel
}
const makeLayer = () => makeKernel().layer

testKernFs("the fake kernel", makeLayer())
testCgroups("the fake kernel", makeLayer())
testGroupTree("the fake kernel", makeLayer())
testMglru("the fake kernel", makeLayer())
testJournal("the fake kernel", makeLayer())
testZswap("the fake kernel", makeLayer())
testZram("the fake kernel", makeLayer())

const pressed = makeKernel()
testPressure("the fake kernel", pressed.layer, {
  stall: (group) =>
    Effect.gen(function* () {
      const { state } = pressed.cgroups.group(group).model as SimpleMemcg
      for (let turn = 1; turn <= 2; turn++) {
        state.events = { ...state.events, high: BigInt(turn) }
        pressed.cgroups.stall(group, "memory", 60_000, 60_000)
        yield* Effect.sleep(Duration.millis(20))
      }
    })
})

/** Processes of a fake kernel. */
const fakeProcess =
  ({ processes }: FakeKernel): TestMemory =>
  (bytes) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const made = processes.add({ ppid: process.pid })
          const library = made.map(2 ** 20, "/usr/lib/libfake.so")
          const { start } = made.map(bytes)
          made.touch(library.start, 2 ** 19)
          made.touch(start, bytes)
          return { made, start }
        }),
        ({ made }) => Effect.sync(() => processes.processes.get(made.pid) === made && processes.end(made))
      ),
      ({ made, start }) => ({
        pid: made.pid,
        touch: Effect.sync(() => made.touch(start, bytes)),
        end: Effect.sync(() => processes.end(made))
      })
    )

const fakes = [
  ["the fake kernel", {}, { pagemapScan: true, idleTracking: false }],
  ["a fake 6.1", { release: "6.1.0-56-amd64" }, { pagemapScan: false, idleTracking: false }],
  ["a fake kernel with idle tracking", { idlePages: true }, { pagemapScan: true, idleTracking: true }]
] as const
for (const [name, options, has] of fakes) {
  const kernel = new FakeKernel(options)
  testPages(name, kernel.layer, fakeProcess(kernel), has)
}
const kernel = new FakeKernel()
testProcesses("the fake kernel", kernel.layer, fakeProcess(kernel))
