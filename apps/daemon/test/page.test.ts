/**
 * wmod's page in a headless Chromium, clicked through: a wmod on a small simulated machine behind it. Skipped, by name, where there is no Chromium
 * (Debian: `apt-get install chromium`).
 */
import { assert, describe, it } from "@effect/vitest"
import { runDaemon } from "@wmo/daemon"
import { Effect } from "effect"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { type DemoGroup, machineWith, podGroup, podsJson, smallService } from "../src/demo/machine.ts"
import { atPace } from "../src/demo/pace.ts"

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path))
const hasBrowser = executablePath !== undefined

const scratch = mkdtempSync(join(tmpdir(), "wmo-test-"))
const podsFile = join(scratch, "pods.json")
writeFileSync(podsFile, podsJson())
let browser: Browser | undefined
beforeAll(async () => {
  if (hasBrowser) browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] })
})
afterAll(async () => {
  await browser?.close()
  rmSync(scratch, { recursive: true, force: true })
})

/** Simulated seconds in a real one: memory is cold soon. */
const speed = 20

const busy = `every: 1s
self: { cpu: off, memory: off }
emergency_stop: off
rules:
  - { match: "system.slice/*.service", policy: periodic, floor: 1M, settings: { cold_age: 10s, interval: 5s, least: 1M } }
  - { kubernetes: { qos: [guaranteed, burstable, besteffort] }, policy: none }
pods: ${podsFile}
`

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { readonly port: number }
      server.close(() => resolve(port))
    })
  })

interface Machine {
  readonly url: string
  /** Runs while wmod does. */
  readonly withWmod: (use: () => Promise<void>) => Promise<void>
}

const groups = (): ReadonlyArray<DemoGroup> =>
  [
    "system.slice/web.service",
    "system.slice/postgresql.service",
    "system.slice/redis.service",
    podGroup(1, "burstable"),
    podGroup(2, "besteffort"),
    podGroup(3, "guaranteed")
  ].map((group, i) => ({ group, workload: smallService(i) }))

let machines = 0
const wmodOn = async (config: string): Promise<Machine> => {
  const port = await freePort()
  const name = `machine-${machines++}`
  const file = join(scratch, `${name}.yaml`)
  writeFileSync(file, `${config}server: { http: "127.0.0.1:${port}" }\n`)
  const options = { file, stateDirectory: join(scratch, name), command: "wmod", version: "1.2.3" }
  const simulation = machineWith(groups(), 512 * 2 ** 20)
  return {
    url: `http://127.0.0.1:${port}/`,
    withWmod: (use) =>
      Effect.runPromise(runDaemon(options, () => Effect.promise(use)).pipe(atPace(simulation, speed), Effect.provide(simulation.layer)))
  }
}

interface Opened {
  readonly page: Page
  /** What the browser complained of, and asked of others than wmod. */
  readonly complaints: Array<string>
}

const openPage = async (url: string, colorScheme: "dark" | "light" = "light"): Promise<Opened> => {
  const page = await browser!.newPage({ colorScheme, viewport: { width: 1280, height: 800 } })
  const complaints: Array<string> = []
  page.on("pageerror", (error) => complaints.push(error.message))
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text())
  })
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) complaints.push(`asked ${request.url()}`)
  })
  page.setDefaultTimeout(10_000)
  await page.goto(url)
  return { page, complaints }
}

const namesIn = (page: Page) => page.locator("tbody th a").allTextContents()
const amounts = async (page: Page, column: number): Promise<ReadonlyArray<number>> => {
  const units: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }
  const texts = await page.locator(`tbody td:nth-child(${column})`).allTextContents()
  return texts.flatMap((text) => {
    const [value, unit = ""] = text.split(" ")
    return units[unit] === undefined ? [] : [Number(value) * units[unit]]
  })
}
const isSorted = (values: ReadonlyArray<number>, sign: 1 | -1): boolean =>
  values.every((value, i) => i === 0 || sign * (value - values[i - 1]!) >= 0)

/** Pixels of a canvas that are not transparent. */
const inked = (page: Page, n: number) =>
  page
    .locator("canvas")
    .nth(n)
    .evaluate((canvas) => {
      const { height, width } = canvas as unknown as { readonly height: number; readonly width: number }
      type Context = { readonly getImageData: (x: number, y: number, w: number, h: number) => { readonly data: Uint8ClampedArray } }
      const context = (canvas as unknown as { readonly getContext: (kind: "2d") => Context }).getContext("2d")
      const { data } = context.getImageData(0, 0, width, height)
      return data.filter((value, i) => i % 4 === 3 && value > 0).length
    })

describe.skipIf(!hasBrowser)(`wmod's page in Chromium${hasBrowser ? "" : " (skipped: there is no Chromium here)"}`, () => {
  it("lists groups by the names that people know, sorts and filters them, by mouse and keyboard", async () => {
    const { url, withWmod } = await wmodOn(busy)
    await withWmod(async () => {
      const { complaints, page } = await openPage(url)
      await page.getByRole("link", { name: "shop/checkout-7d4f9" }).waitFor()
      assert.lengthOf(await namesIn(page), 6)
      assert.match((await page.locator("#top").textContent()) ?? "", /running.*1\.2\.3.*machine-\d+\.yaml/)

      // The largest first, then the smallest, then by name.
      assert.isTrue(isSorted(await amounts(page, 3), -1))
      await page.getByRole("button", { name: "In memory" }).click()
      assert.isTrue(isSorted(await amounts(page, 3), 1))
      assert.strictEqual(await page.locator("th[aria-sort=ascending]").textContent(), "In memory")
      await page.getByRole("button", { name: "Group" }).click()
      const names = await namesIn(page)
      assert.deepStrictEqual(names, names.toSorted())

      await page.keyboard.press("/")
      await page.keyboard.type("periodic WEB")
      assert.deepStrictEqual(await namesIn(page), ["system.slice/web.service"])
      await page.keyboard.type("nonsense")
      await page.getByText("No group has all of these words").waitFor()
      await page.keyboard.press("Escape")
      await page.getByRole("button", { name: "Not acting 1" }).click()
      assert.deepStrictEqual(await namesIn(page), ["bank/ledger-0 (guaranteed)"])
      await page.getByRole("button", { name: "All 6" }).click()

      await page.getByRole("link", { name: names[0]! }).focus()
      await page.keyboard.press("ArrowDown")
      await page.keyboard.press("Enter")
      await page.getByRole("heading", { name: names[1]!, level: 1 }).waitFor()
      await page.keyboard.press("Escape")
      await page.getByRole("button", { name: "All 6" }).waitFor()
      assert.strictEqual(await page.evaluate("document.activeElement.textContent"), names[1])
      assert.deepStrictEqual(complaints, [])
      await page.close()
    })
  })

  it("shows one group: charts, cold memory, decisions with reasons and what came of them, settings", async () => {
    const { url, withWmod } = await wmodOn(busy)
    await withWmod(async () => {
      const { complaints, page } = await openPage(url)
      await page.locator("tr", { hasText: "system.slice/web.service" }).locator("td.policy").click()
      await page.getByRole("heading", { name: "system.slice/web.service", level: 1 }).waitFor()
      assert.match(page.url(), /#\/group\/system\.slice%2Fweb\.service$/)
      // 10 s of memory idle, and the interval of 5 s, are less than a second here.
      await page
        .locator(".decisions td", { hasText: /: [\d.]+ [KM]iB in / })
        .first()
        .waitFor()
      const [time, why] = await page.locator(".decisions tbody tr").first().locator("td").allTextContents()
      assert.match(time!, /^\d\d:\d\d:\d\d$/)
      assert.match(why!, /idle|cold/)
      await page.getByRole("button", { name: "All of the last ticks" }).click()
      await page.locator(".decisions td", { hasText: "nothing" }).first().waitFor()

      assert.strictEqual(await page.locator("canvas").count(), 3)
      await page.waitForFunction("document.querySelector('.readout b').textContent.includes('iB')")
      // A line, its area, a grid and labels: more than labels alone would be.
      assert.isAbove(await inked(page, 0), 2000)
      const ladder = await page.locator(".ladder li").allTextContents()
      assert.isAbove(ladder.length, 1)
      assert.match(ladder[0]!, /^any time.*iB$/)
      assert.match((await page.locator(".side").textContent()) ?? "", /policyperiodic.*cold_age10s.*floor1\.00 MiB/)
      assert.deepStrictEqual(complaints, [])

      await page.goto(`${url}#/group/gone`)
      await page.getByText("No rule picks this group any more").waitFor()
      await page.goto(`${url}#/group/${encodeURIComponent(podGroup(3, "guaranteed"))}`)
      await page.getByText("wmod leaves this group alone and does not look at it").waitFor()
      await page.close()
    })
  })

  it("says that wmod does not answer, keeps what was seen, and goes on when it is back", async () => {
    const { url, withWmod } = await wmodOn(busy)
    let opened: Opened | undefined
    await withWmod(async () => {
      opened = await openPage(url)
      await opened.page.getByRole("link", { name: "system.slice/web.service" }).waitFor()
    })
    const { page } = opened!
    await page.getByText("wmod does not answer").waitFor()
    assert.strictEqual(await page.locator("#top .pill").first().textContent(), "unreachable")
    assert.include(await page.locator("#notices").textContent(), "Trying again every two seconds")
    assert.include(await namesIn(page), "system.slice/web.service")
    await withWmod(async () => {
      await page.getByText("wmod does not answer").waitFor({ state: "detached" })
      assert.strictEqual(await page.locator("#top .pill").first().textContent(), "running")
    })
    await page.close()
  })

  it("says what to do where no rule picks a group, and that a dry run is one; is dark where the system is", async () => {
    const { url, withWmod } = await wmodOn("dry_run: true\n")
    await withWmod(async () => {
      const { complaints, page } = await openPage(url, "dark")
      await page.getByRole("heading", { name: "No group is looked after" }).waitFor()
      assert.match(
        (await page.locator(".empty").textContent()) ?? "",
        /No rule of .*machine-\d+\.yaml picks any of this machine's 10 groups/
      )
      assert.include(await page.locator("#notices").textContent(), "decisions are shown, nothing is changed")
      const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor")
      const dark = await ground()
      await page.emulateMedia({ colorScheme: "light" })
      assert.notStrictEqual(await ground(), dark)
      assert.deepStrictEqual(complaints, [])
      await page.close()
    })
  })
})
