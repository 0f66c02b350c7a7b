import { execFileSync, spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { type GuestJob, shellQuote, stageOne, stageTwo } from "../src/vm/GuestInit.ts"
import { guarded } from "../src/vm/QemuProcess.ts"
import { qemuArguments } from "../src/vm/VmBoot.ts"
import { defaultVmOptions } from "../src/vm/VmOptions.ts"
import { guestEnvironment } from "../src/vm/VmRun.ts"

const after = (words: ReadonlyArray<string>, flag: string): ReadonlyArray<string> =>
  words.flatMap((word, index) => (word === flag ? [words[index + 1]!] : []))

const job: GuestJob = {
  command: ["/usr/bin/printf", "%s"],
  cwd: "/a dir",
  env: { A: "b" },
  zswap: "lz4",
  swap: { kind: "zram", size: 2 ** 30 },
  thp: "madvise",
  out: undefined,
  marker: "MARK",
  terminal: { kind: "ports", stdin: true }
}

describe("the QEMU command line", () => {
  const plan = { image: "/k/vmlinuz", initramfs: "/t/initramfs", accelerator: "tcg", memory: 2 ** 31, cpus: 3, out: undefined } as const

  it("shares the host's files for reading only and asks for no network and no display", () => {
    const words = qemuArguments(plan)
    assert.deepStrictEqual(after(words, "-virtfs"), ["local,path=/,mount_tag=wmo_root,security_model=none,multidevs=remap,readonly=on"])
    assert.deepStrictEqual(after(words, "-m"), ["2048M"])
    assert.deepStrictEqual(after(words, "-smp"), ["3"])
    assert.deepStrictEqual(after(words, "-accel"), ["tcg,thread=multi"])
    assert.deepStrictEqual(after(qemuArguments({ ...plan, accelerator: "kvm" }), "-accel"), ["kvm"])
    assert.deepStrictEqual(after(words, "-icount"), [])
    const counted = qemuArguments({ ...plan, icount: 2 })
    assert.deepStrictEqual(after(counted, "-accel"), ["tcg"])
    assert.deepStrictEqual(after(counted, "-icount"), ["shift=2,sleep=on"])
    assert.deepStrictEqual([after(words, "-cpu"), after(counted, "-cpu")], [["max"], ["max,erms=off"]])
    for (const word of ["-nodefaults", "-no-reboot", "-no-user-config"]) assert.include(words, word)
  })

  it("shares the output directory for writing, whatever its name", () => {
    const shares = after(qemuArguments({ ...plan, out: "/tmp/a,b" }), "-virtfs")
    assert.strictEqual(shares[1], "local,path=/tmp/a,,b,mount_tag=wmo_out,security_model=none,multidevs=remap")
  })
})

describe("the guest's scripts", () => {
  const odd = ["", "a b", "it's", '"q"', "$HOME `id` $(id)", "new\nline", "\\", "*", "-n", "grüße", "'''"]

  it("quotes any word so that a shell gives it back", () => {
    const said = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${odd.map(shellQuote).join(" ")}`]).toString()
    assert.deepStrictEqual(said.split("\0").slice(0, -1), odd)
  })

  const variants: ReadonlyArray<readonly [string, GuestJob]> = [
    ["by ports", { ...job, command: ["/bin/echo", ...odd], env: { ODD: "'\n$x" }, out: "/tmp/it's" }],
    ["without input, zswap, swap", { ...job, zswap: undefined, swap: { kind: "none" }, terminal: { kind: "ports", stdin: false } }],
    ["on the console", { ...job, terminal: { kind: "console", rows: 24, columns: 80 } }]
  ]
  it.each(variants)("are valid shell %s", (_, variant) => {
    execFileSync("/bin/sh", ["-n"], { input: stageOne() })
    execFileSync("/bin/sh", ["-n"], { input: stageTwo(variant) })
  })

  it("turn zswap on with the compressor, or off", () => {
    assert.include(stageTwo(job), "echo lz4 >$Z/compressor")
    assert.include(stageTwo({ ...job, zswap: undefined }), "echo N >$Z/enabled")
  })

  it("set when there are huge pages, before the command runs", () => {
    const script = stageTwo({ ...job, thp: "never" })
    assert.include(script, "echo never >$T")
    assert.isBelow(script.indexOf("transparent_hugepage"), script.indexOf("echo run"))
  })

  it("make the swap device that was asked for, or none", () => {
    assert.include(stageTwo(job), "echo 1073741824 >/sys/block/zram0/disksize")
    assert.notInclude(stageTwo({ ...job, swap: { kind: "none" } }), "swapon")
  })
})

describe("the command's environment", () => {
  it("has this Node first on PATH, some of the caller's names, and what was asked for", () => {
    const env = guestEnvironment(
      { ...defaultVmOptions, out: "/out", env: { HOME: "/h", X: "1" } },
      { PATH: "/p", HOME: "/root", SECRET: "s" }
    )
    assert.deepStrictEqual(env, {
      HOME: "/h",
      PATH: `${process.execPath.replace(/\/[^/]+$/, "")}:/p`,
      WMO_VM: "1",
      WMO_OUT: "/out",
      X: "1"
    })
  })
})

describe("a process that must not outlive its parent", () => {
  const said = (parent: number): string => {
    const [file, ...words] = guarded(["/bin/echo", "a b"], parent)
    return spawnSync(file!, words, { encoding: "utf8" }).stdout
  }

  it("is started as it is", () => {
    assert.strictEqual(said(process.pid), "a b\n")
  })

  it("is not started where the parent is gone already", ({ skip }) => {
    if (guarded(["true"], 1).length === 1) skip("there is no setpriv (util-linux) here")
    assert.strictEqual(said(process.pid + 1), "")
  })
})
