/** The parts of wmod's page that know no browser; `apps/daemon/test/page.test.ts` clicks through the whole. */
import { assert, describe, it } from "@effect/vitest"
import type { GroupSummary } from "../src/client.ts"
import { ago, bytes, count, duration, percent, perSecond } from "../src/page/browser/format.ts"
import { filtered, firstOrder, lastSaid, sorted, totalsOf } from "../src/page/browser/groups.ts"

const group = (name: string, more: Partial<GroupSummary> = {}): GroupSummary => ({
  group: name,
  state: "acting",
  why: "rule at line 1",
  reclaimed_bytes: 0,
  ticks: 1,
  missed_ticks: 0,
  actions: {},
  failures: 0,
  ...more
})
const names = (groups: ReadonlyArray<GroupSummary>) => groups.map((each) => each.group)

describe("amounts on the page", () => {
  it.each([
    [undefined, "–"],
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.00 KiB"],
    [1_073_741_000, "1.00 GiB"],
    [123 * 2 ** 20, "123 MiB"],
    [2 ** 62, "4096 PiB"]
  ])("%s bytes: %s", (value, text) => assert.strictEqual(bytes(value), text))

  it.each([
    [0, "0 %"],
    [0.004, "< 0.01 %"],
    [0.12, "0.12 %"],
    [12.34, "12.3 %"],
    [null, "–"]
  ])("%s percent: %s", (value, text) => assert.strictEqual(percent(value), text))

  it.each([
    [0, "0"],
    [0.04, "< 0.1"],
    [3.14, "3.1"],
    [250, "250"],
    [12_345, "12.3 k"]
  ])("%s a second: %s", (value, text) => assert.strictEqual(perSecond(value), text))

  it.each([
    [0, "0 s"],
    [400, "400 ms"],
    [1000, "1 s"],
    [59_700, "1 min"],
    [137_000, "2 min 17 s"],
    [3_600_000, "1 h"],
    [90_000_000, "25 h"],
    [200_000_000, "2 d 7 h"]
  ])("%s ms: %s", (ms, text) => assert.strictEqual(duration(ms), text))

  it("are grouped by thousands, and now is now", () => {
    assert.strictEqual(count(1_137_679), "1\u202f137\u202f679")
    assert.deepStrictEqual([ago(300), ago(61_000)], ["now", "1 min 1 s ago"])
  })
})

describe("the table of groups", () => {
  const groups = [
    group("a10", { current_bytes: 5, policy: "slo" }),
    group("a9", { current_bytes: 50, state: "backing-off", problem: "EIO", pressure_percent: 3 }),
    group("pod", { name: "shop/cart", state: "left-alone", why: "the pod is Guaranteed" })
  ]

  it("is sorted by numbers in names, largest amounts first, what is unknown last either way", () => {
    assert.deepStrictEqual(names(sorted(groups, firstOrder("group"))), ["a9", "a10", "pod"])
    assert.deepStrictEqual(names(sorted(groups, firstOrder("memory"))), ["a9", "a10", "pod"])
    assert.deepStrictEqual(names(sorted(groups, { column: "memory", isDescending: false })), ["a10", "a9", "pod"])
    assert.deepStrictEqual(names(sorted(groups, firstOrder("pressure"))), ["a9", "a10", "pod"])
  })

  it("shows what has all words in what is seen of it, of the kind that was chosen", () => {
    assert.deepStrictEqual(names(filtered(groups, " SHOP guaranteed ", "all")), ["pod"])
    assert.deepStrictEqual(names(filtered(groups, "eio", "all")), ["a9"])
    assert.deepStrictEqual(names(filtered(groups, "", "idle")), ["pod"])
    assert.deepStrictEqual(names(filtered(groups, "a", "problems")), ["a9"])
    assert.deepStrictEqual(names(filtered(groups, "slo shop", "all")), [])
  })

  it("says what failed before what was decided, and why nothing is done before both", () => {
    assert.strictEqual(lastSaid(group("g", { reason: "waits" })), "waits")
    assert.strictEqual(lastSaid(group("g", { reason: "waits", state: "backing-off", problem: "EIO" })), "EIO")
    assert.strictEqual(lastSaid(group("g", { reason: "waits", state: "stopped", why: "paused" })), "paused")
  })

  it("has sums and the group that waits most above it", () => {
    const { byKind, currentBytes, worst } = totalsOf(groups)
    assert.deepStrictEqual(
      { byKind, currentBytes, worst: worst?.group },
      { byKind: { all: 3, acting: 1, problems: 1, idle: 1 }, currentBytes: 55, worst: "a9" }
    )
    assert.isUndefined(totalsOf([]).worst)
  })
})
